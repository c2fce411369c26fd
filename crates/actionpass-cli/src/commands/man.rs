//! `man`: the manual pages.

use std::path::{Path, PathBuf};

use actionpass_home::HomeCode;
use clap::Args;
use clap_mangen::Man;
use serde_json::json;

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::Reply;

#[derive(Args, Debug)]
pub(crate) struct ManArgs {
    /// Write the pages of all commands into this folder instead
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl ManArgs {
    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        let mut command = (context.command_line)();
        command.build();
        let Some(folder) = self.out else {
            let page = page(&command)?;
            return Ok(Reply::new(json!({ "page": String::from_utf8_lossy(&page) })).with_data(page));
        };
        std::fs::create_dir_all(&folder).map_err(|error| unwritable(&folder, &error))?;
        let mut files = Vec::new();
        write_all(&command, &folder, &mut files)?;
        let list = files.iter().map(|file| format!("{file}\n")).collect::<String>();
        Ok(Reply::new(json!({ "files": files })).with_data(list))
    }
}

fn page(command: &clap::Command) -> Outcome<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command.clone())
        .render(&mut page)
        .map_err(|error| Failure::internal(&error))?;
    Ok(page)
}

fn write_all(command: &clap::Command, folder: &Path, files: &mut Vec<String>) -> Outcome<()> {
    let name = format!("{}.1", command.get_display_name().unwrap_or_else(|| command.get_name()));
    let path = folder.join(&name);
    std::fs::write(&path, page(command)?).map_err(|error| unwritable(&path, &error))?;
    files.push(path.display().to_string());
    command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .try_for_each(|command| write_all(command, folder, files))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        HomeCode::FileUnwritable,
        format!("`{}` can't be written: {error}", path.display()),
    )
}
