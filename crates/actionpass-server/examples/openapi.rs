//! Prints the OpenAPI document of the service: `cargo xtask openapi` keeps `docs/openapi.json` as it.

use std::io::Write as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    Ok(std::io::stdout().write_all(actionpass_server::openapi()?.as_bytes())?)
}
