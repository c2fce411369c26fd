//! `replay-store`: the file of used passes of an executor that has no home.

use std::path::{Path, PathBuf};

use actionpass_home::ReplayFile;
use actionpass_model::UnixSeconds;
use clap::Subcommand;
use pollster::block_on;
use serde_json::json;

use crate::clock;
use crate::context::Context;
use crate::failure::Outcome;
use crate::output::{Ink, Reply};
use crate::render::visible;

#[derive(Debug, Subcommand)]
pub(crate) enum ReplayStoreCommand {
    /// Make one for an audience that never had one, and overwrite nothing: passes issued before are refused
    New {
        /// The file, where agents can't write
        file: PathBuf,
    },
    /// Say that it came out of a backup, or is new in the place of one that is lost: passes issued so far are refused
    Restored {
        /// The file
        file: PathBuf,
    },
}

impl ReplayStoreCommand {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::New { .. } => "replay-store-new",
            Self::Restored { .. } => "replay-store-restored",
        }
    }

    pub(crate) fn run(self, _: &Context) -> Outcome<Reply> {
        let now = clock::now()?.to_unix_seconds();
        Ok(match self {
            Self::New { file } => {
                ReplayFile::create(&file, now)?;
                reply("made", &file, now)
            }
            Self::Restored { file } => {
                let from = block_on(ReplayFile::open(&file)?.restart(now))?;
                reply("restored", &file, from)
            }
        })
    }
}

fn reply(word: &str, file: &Path, from: UnixSeconds) -> Reply {
    let (file, from) = (file.display().to_string(), from.to_timestamp());
    let talk = format!(
        "{} {}: passes issued before {from} count as used up\n",
        Ink::stderr().good(word),
        visible(&file)
    );
    Reply::new(json!({ "file": file, "issuedFrom": from })).with_talk(talk)
}
