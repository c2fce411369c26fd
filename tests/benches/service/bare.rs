//! The least that an answer can cost: an axum handler that reads JSON, and signs as many bytes as a pass has, and keeps nothing.

use std::io::Write as _;
use std::process::Command;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde_json::{Value, json};

use crate::load::Question;
use crate::program::Program;

/// The signing input of a pass is about as long.
const SIGNING_INPUT: usize = 900;

/// This program again, as the server.
pub(crate) fn start() -> Program {
    Program::start(Command::new(std::env::current_exe().unwrap()).arg("--serve-bare"))
}

pub(crate) fn question(program: &Program, body: Bytes) -> Question {
    Question {
        address: program.address,
        path: "/",
        token: None,
        body,
        is_right: |body| body.starts_with(b"{"),
    }
}

/// Serves until it is killed.
pub(crate) fn serve() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let app = Router::new().route("/", post(answer)).with_state(Arc::new(key));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("listening on {}", listener.local_addr().unwrap());
        std::io::stdout().flush().unwrap();
        axum::serve(listener, app).await.unwrap();
    });
}

async fn answer(State(key): State<Arc<EcdsaKeyPair>>, body: Bytes) -> Result<String, StatusCode> {
    let _: Value = serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
    let signature = key.sign(&SystemRandom::new(), &[b'a'; SIGNING_INPUT]);
    let signature = signature.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(json!({ "token": Base64UrlUnpadded::encode_string(signature.as_ref()) }).to_string())
}
