//! `man`: the manual pages.

use std::path::{Path, PathBuf};

use actionpass_home::HomeCode;
use clap::Args;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};
use serde_json::json;

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::manual::{self, Example};
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

/// The page of a command: what `clap` knows, and the sections that people look for behind it.
fn page(command: &clap::Command) -> Outcome<Vec<u8>> {
    let mut page = Vec::new();
    render(command, &mut page).map_err(|error| Failure::internal(&error))?;
    Ok(page)
}

fn render(command: &clap::Command, page: &mut Vec<u8>) -> std::io::Result<()> {
    let man = Man::new(command.clone());
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(page)?;
    }
    let name = command.get_bin_name().unwrap_or_default();
    let path = name.strip_prefix("actionpass").unwrap_or(name).trim_start();
    let mut roff = Roff::new();
    examples(&mut roff, manual::examples(path));
    table(&mut roff, "EXIT STATUS", manual::exits());
    table(&mut roff, "FILES", manual::files());
    table(&mut roff, "ENVIRONMENT", manual::variables());
    roff.to_writer(page)?;
    if command.get_version().is_some() {
        man.render_version_section(page)?;
    }
    Ok(())
}

fn examples(roff: &mut Roff, examples: &[Example]) {
    roff.control("SH", ["EXAMPLES"]);
    for example in examples {
        roff.control("TP", []);
        roff.text([roman(format!("{}:", example.purpose))]);
        // Not filled: a line that is broken or hyphenated elsewhere is no command any more.
        roff.control("nf", []);
        for line in example.command.lines() {
            roff.text([bold(line)]);
        }
        roff.control("fi", []);
    }
}

/// A section of names, each with what is said of it.
fn table(roff: &mut Roff, heading: &str, rows: Vec<(&'static str, &'static str)>) {
    roff.control("SH", [heading]);
    for (name, text) in rows {
        roff.control("TP", []);
        roff.text([bold(name.replace('`', ""))]);
        roff.text(inlines(text));
    }
}

/// Markdown of one paragraph: what stands between backticks is bold, a link is its text.
fn inlines(markdown: &str) -> Vec<Inline> {
    let parts = markdown.split('`').enumerate();
    let inlines = parts.map(|(at, part)| if at % 2 == 1 { bold(part) } else { roman(unlinked(part)) });
    inlines.collect()
}

/// The text without the targets of its links.
fn unlinked(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("](") {
        let (_, after) = after.split_once(')').unwrap_or((after, ""));
        let (before, name) = before.rsplit_once('[').unwrap_or(("", before));
        shown.push_str(before);
        shown.push_str(name);
        rest = after;
    }
    shown.push_str(rest);
    shown
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_an_example_stay_lines() {
        let mut roff = Roff::new();
        examples(&mut roff, manual::examples("version"));
        let shown = ".SH EXAMPLES\n.TP\nThe version:\n.nf\n\\fBactionpass version\\fR\n.fi\n";
        assert_eq!(roff.to_roff(), shown);
        let mut roff = Roff::new();
        examples(&mut roff, manual::examples("verify"));
        let shown = roff.to_roff();
        assert!(shown.contains("trust.json \\\\\\fR\n\\fB      \\-\\-issuer"), "{shown}");
    }

    #[test]
    fn markdown_of_the_tables_is_shown_as_text() {
        assert_eq!(
            inlines("the policy ([reference](spec/policy.md)) of `home`"),
            [roman("the policy (reference) of "), bold("home"), roman("")]
        );
        assert_eq!(unlinked("[a](b), [c] and [d](e)"), "a, [c] and d");
    }
}
