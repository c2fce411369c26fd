//! A server of one tool that runs under passes only:
//! `guarded_notes TRUST.json TOOLS.toml SERVER ISSUER AUDIENCE TENANT USED.db FOLDER`.
//!
//! `write {name, text}` writes `FOLDER/NAME.txt`. `USED.db` is the server's own store of passes that were used
//! (`SqliteStore::create`): it is there before the server starts, since one that is missing would forget what was used.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use actionpass_gate::Catalogue;
use actionpass_model::{Audience, Issuer, Tenant};
use actionpass_rmcp::Guard;
use actionpass_store_sqlite::SqliteStore;
use actionpass_verify::{Executor, LiveTrust, Verifier};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData, JsonObject, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler, ServiceExt as _};
use serde_json::{Value, json};

struct Notes {
    folder: PathBuf,
}

impl ServerHandler for Notes {
    fn get_info(&self) -> ServerConfig {
        let mut config = ServerConfig::default();
        config.capabilities = ServerCapabilities::builder().enable_tools().build();
        config
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let text = json!({ "type": "string" });
        let schema = object(
            json!({ "type": "object", "properties": { "name": text, "text": text }, "required": ["name", "text"] }),
        );
        let tool = Tool::new("write", "Writes a note.", Arc::new(schema));
        Ok(ListToolsResult::with_all_items(vec![tool]))
    }

    async fn call_tool(
        &self,
        call: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let argument = |member| call.arguments.as_ref().and_then(|all| all.get(member)?.as_str());
        let (Some(name), Some(text)) = (argument("name"), argument("text")) else {
            return Err(ErrorData::invalid_params("`name` and `text` are texts", None));
        };
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(ErrorData::invalid_params("`name` is letters and digits", None));
        }
        let written = std::fs::write(self.folder.join(format!("{name}.txt")), text);
        written.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        Ok(CallToolResult::success(vec![ContentBlock::text(format!("wrote {name}"))]).into())
    }
}

fn object(value: Value) -> JsonObject {
    match value {
        Value::Object(members) => members,
        _ => JsonObject::new(),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [trust, tools, server, issuer, audience, tenant, used, folder] = arguments.as_slice() else {
        return Err("guarded_notes TRUST.json TOOLS.toml SERVER ISSUER AUDIENCE TENANT USED.db FOLDER".into());
    };
    let verifier = Verifier::new(
        Issuer::parse(issuer)?,
        Audience::parse(audience)?,
        Tenant::parse(tenant)?,
    );
    let used = SqliteStore::open(used.as_ref())?;
    let executor = Executor::new(verifier, Arc::new(LiveTrust::open(trust.as_ref())?), Arc::new(used));
    let catalogue = Catalogue::parse(&std::fs::read_to_string(tools)?, tools, |_| None)?;
    let notes = Notes { folder: folder.into() };
    let guarded = Guard::new(executor, Arc::new(catalogue), server.as_str()).over(notes);
    let running = guarded.serve((tokio::io::stdin(), tokio::io::stdout())).await?;
    running.waiting().await?;
    Ok(())
}
