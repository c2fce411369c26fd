//! `policy put`, `tools put`, `policy show`: the files of a policy, brought into force and shown as they are.

use std::path::{Path, PathBuf};

use actionpass_canon::sha256;
use actionpass_home::{Brought, BroughtFiles, home};
use actionpass_policy::PolicyEngine as _;
use clap::Args;
use pollster::block_on;
use serde_json::{Value, json};

use crate::code::CliCode;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::input;
use crate::output::{Ink, Reply};

#[derive(Args, Debug)]
pub(crate) struct PutPolicyArgs {
    /// What is to be the policy [default: `policy.toml` of the home]; `-` is stdin
    file: Option<PathBuf>,
    /// A tool catalogue that comes into force together with it; schemas that it names are found beside it
    #[arg(long, value_name = "FILE")]
    tools: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct PutToolsArgs {
    /// What is to be the tool catalogue; schemas that it names are found beside it [default: `tools.toml` of the home]
    file: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// Which file of it: `tools.toml`, or a schema that it names
    #[arg(value_name = "NAME", default_value = home::POLICY)]
    name: String,
}

impl PutPolicyArgs {
    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        let file = match self.file {
            Some(file) => file,
            None => context.home()?.path(home::POLICY),
        };
        put(context, Some(&file), self.tools.as_deref())
    }
}

impl PutToolsArgs {
    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        let file = match self.file {
            Some(file) => file,
            None => context.home()?.path(home::TOOLS),
        };
        put(context, None, Some(&file))
    }
}

fn put(context: &Context, policy: Option<&Path>, tools: Option<&Path>) -> Outcome<Reply> {
    let read = |path: Option<&Path>| path.map(input::policy).transpose();
    let (rules, catalogue) = (read(policy)?, read(tools)?);
    let home = context.administer()?;
    let opened = &home.opened;
    let brought = BroughtFiles {
        policy: policy
            .zip(rules.as_deref())
            .map(|(path, bytes)| Brought { path, bytes }),
        tools: tools
            .zip(catalogue.as_deref())
            .map(|(path, bytes)| Brought { path, bytes }),
    };
    opened.home.put_policy(&opened.config, brought)?;
    let (files, record) = block_on(opened.enforce_policy(&home.administrator))?;
    let digest = files.policy.digest();
    let ink = Ink::stderr();
    let version = match files.kept {
        Some((version, _)) => format!(", version {version} in the database"),
        None => String::new(),
    };
    let talk = match &record {
        Some(record) => format!(
            "{} policy {}{version}\n  {digest}, record {}\n",
            ink.good("in force"),
            files.policy.id(),
            record.seq
        ),
        None => format!(
            "policy {} was in force already{version}\n  {digest}\n",
            files.policy.id()
        ),
    };
    let json = json!({
        "id": files.policy.id(), "digest": digest, "version": files.kept.map(|(version, _)| version), "record": record,
        "files": files.files.keys().collect::<Vec<_>>(),
    });
    Ok(Reply::new(json).with_talk(talk))
}

impl ShowArgs {
    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        let home = context.home()?;
        let files = home.policy_files(&home.config()?)?;
        let text = files.files.get(&self.name).ok_or_else(|| {
            let names: Vec<&str> = files.files.keys().map(String::as_str).collect();
            let problem = format!(
                "the policy has no file `{}`, only {}",
                self.name.escape_debug(),
                names.join(", ")
            );
            Failure::new(CliCode::UsageInvalid, problem)
        })?;
        let listed = files.files.iter();
        let listed: Vec<Value> = listed
            .map(|(name, text)| json!({ "name": name, "digest": sha256(text.as_bytes()) }))
            .collect();
        let json = json!({
            "id": files.policy.id(), "digest": files.policy.digest(), "version": files.kept.map(|(version, _)| version),
            "files": listed, "name": self.name, "text": text,
        });
        Ok(Reply::new(json).with_data(text.clone()))
    }
}
