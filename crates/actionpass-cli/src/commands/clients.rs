//! `clients`: who may ask the service, for whom, and what.

use actionpass_home::{Client, ClientToken, Patterns, Right, client_name};
use actionpass_model::Statement;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::clock;
use crate::context::Context;
use crate::failure::Outcome;
use crate::output::{Ink, Reply, Table};

#[derive(Debug, Subcommand)]
pub(crate) enum ClientsCommand {
    /// Add a client, and print its token, which nothing shows again
    ///
    /// A pattern is a text that means itself, or a beginning with one `*` behind it (in quotes, or the shell takes it), which
    /// stands for whatever follows; `*` alone is any. What no pattern admits the client may neither state nor see.
    Add(Box<AddArgs>),
    /// List the clients, without what they prove themselves by
    List,
    /// Remove a client: a service answers it no more within five seconds
    Remove(RemoveArgs),
}

#[derive(Args, Debug)]
pub(crate) struct AddArgs {
    /// Its name in records and logs: lower-case letters, digits, `.`, `_` and `-`
    #[arg(value_parser = client_name)]
    name: Statement,
    /// What it may do, separated by commas
    #[arg(long, value_name = "RIGHTS", required = true, value_delimiter = ',', value_parser = rights())]
    may: Vec<Right>,
    /// A tenant that it may ask for; may be repeated, as each of these
    #[arg(long = "tenant", value_name = "PATTERN", value_parser = checked(Patterns::of_tenants))]
    tenants: Vec<String>,
    /// An agent that it may ask for
    #[arg(long = "agent", value_name = "PATTERN", value_parser = checked(Patterns::of_agents))]
    agents: Vec<String>,
    /// An owner of such agents
    #[arg(long = "owner", value_name = "PATTERN", value_parser = checked(Patterns::of_owners))]
    owners: Vec<String>,
    /// A runtime of such agents
    #[arg(long = "runtime", value_name = "PATTERN", value_parser = checked(Patterns::of_runtimes))]
    runtimes: Vec<String>,
    /// A server that lists tools
    #[arg(long = "server", value_name = "PATTERN", value_parser = checked(Patterns::of_servers))]
    servers: Vec<String>,
    /// An audience of passes
    #[arg(long = "audience", value_name = "PATTERN", value_parser = checked(Patterns::of_audiences))]
    audiences: Vec<String>,
    /// The facts that it states count
    #[arg(long)]
    attests: bool,
    /// For a later release: it consumes passes in the call that it asks in
    #[arg(long)]
    consumes: bool,
    /// A user who is it on the Unix socket, in the place of a token; may be repeated
    #[arg(long = "uid", value_name = "NUMBER")]
    uids: Vec<u32>,
}

#[derive(Args, Debug)]
pub(crate) struct RemoveArgs {
    /// Its name
    #[arg(value_parser = client_name)]
    name: Statement,
}

impl ClientsCommand {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Add(_) => "clients-add",
            Self::List => "clients-list",
            Self::Remove(_) => "clients-remove",
        }
    }

    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        match self {
            Self::Add(args) => args.run(context),
            Self::List => list(context),
            Self::Remove(args) => args.run(context),
        }
    }
}

fn rights() -> impl TypedValueParser<Value = Right> {
    let names = Right::ALL.iter().map(|right| right.as_str());
    PossibleValuesParser::new(names).try_map(|name| {
        let right = Right::ALL.iter().find(|right| right.as_str() == name);
        right.copied().ok_or("no right of this name is known")
    })
}

/// Takes a pattern that stands for something of its kind.
fn checked(read: fn(Vec<String>) -> Result<Patterns, String>) -> impl Fn(&str) -> Result<String, String> + Clone {
    move |text| read(vec![text.to_owned()]).map(|_| text.to_owned())
}

/// An entry's patterns by their names in the file.
fn patterns(client: &Client) -> [(&'static str, &Patterns); 6] {
    [
        ("tenants", &client.tenants),
        ("agents", &client.agents),
        ("owners", &client.owners),
        ("runtimes", &client.runtimes),
        ("servers", &client.servers),
        ("audiences", &client.audiences),
    ]
}

impl AddArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        let home = context.home()?;
        let kinds = [
            &self.tenants,
            &self.agents,
            &self.owners,
            &self.runtimes,
            &self.servers,
            &self.audiences,
        ];
        let admits_nobody = kinds.iter().all(|patterns| patterns.is_empty());
        let mut client = Client::new(self.name);
        client.may = self.may;
        // INVARIANT: each was read as a pattern of its kind.
        client.tenants = Patterns::of_tenants(self.tenants).unwrap_or_default();
        client.agents = Patterns::of_agents(self.agents).unwrap_or_default();
        client.owners = Patterns::of_owners(self.owners).unwrap_or_default();
        client.runtimes = Patterns::of_runtimes(self.runtimes).unwrap_or_default();
        client.servers = Patterns::of_servers(self.servers).unwrap_or_default();
        client.audiences = Patterns::of_audiences(self.audiences).unwrap_or_default();
        client.attests = self.attests;
        client.consumes = self.consumes;
        let mut json = Map::from_iter([("name".to_owned(), json!(client.name))]);
        let mut talk = format!(
            "Client {} is added to {}.\n",
            client.name,
            home.place_of_clients()?.display()
        );
        if admits_nobody {
            talk.push_str(
                "It may state and see nobody: no tenant, agent, owner, runtime, server or audience was named.\n",
            );
        }
        if !self.uids.is_empty() {
            home.add_client(&client.with_uids(self.uids.clone()))?;
            json.insert("uids".to_owned(), json!(self.uids));
            return Ok(Reply::new(Value::Object(json)).with_talk(talk));
        }
        let token = ClientToken::from_random(&clock::random()?);
        home.add_client(&client.with_token(&token))?;
        json.insert("token".to_owned(), token.as_str().into());
        talk.push_str("Its token is shown this once: only its hash is kept. Hand it over as you would a password.\n");
        Ok(Reply::new(Value::Object(json))
            .with_data(format!("{}\n", token.as_str()))
            .with_talk(talk))
    }
}

fn list(context: &Context) -> Outcome<Reply> {
    let clients = context.home()?.clients()?;
    let mut table = Table::new(&["CLIENT", "MAY", "FOR", "ALSO"]);
    let mut listed: Vec<Value> = Vec::new();
    for client in clients.as_slice() {
        let rights: Vec<&str> = client.may.iter().map(|right| right.as_str()).collect();
        let mut json = json!({
            "name": client.name, "may": rights, "attests": client.attests, "consumes": client.consumes,
            "uids": client.uids(),
        });
        let mut admitted: Vec<String> = Vec::new();
        for (name, patterns) in patterns(client) {
            if let Some(members) = json.as_object_mut() {
                members.insert(name.to_owned(), json!(patterns));
            }
            if !patterns.as_slice().is_empty() {
                admitted.push(format!("{name} {}", patterns.as_slice().join(" ")));
            }
        }
        let uids = client.uids().iter().map(|uid| format!("uid {uid}"));
        let also = [(client.attests, "attests"), (client.consumes, "consumes")];
        let also = also
            .into_iter()
            .filter(|(is_so, _)| *is_so)
            .map(|(_, word)| word.to_owned());
        table.row([
            client.name.to_string(),
            or_dash(&rights.join(",")),
            or_dash(&admitted.join("; ")),
            or_dash(&also.chain(uids).collect::<Vec<_>>().join(", ")),
        ]);
        listed.push(json);
    }
    Ok(Reply::new(json!({ "clients": listed })).with_data(table.render(Ink::stdout())))
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-" } else { text }.to_owned()
}

impl RemoveArgs {
    fn run(self, context: &Context) -> Outcome<Reply> {
        context.home()?.remove_client(&self.name)?;
        let talk = format!("A service answers {} no more within five seconds.\n", self.name);
        Ok(Reply::new(json!({ "name": self.name })).with_talk(talk))
    }
}
