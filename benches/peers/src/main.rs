//! One task, done with ActionPass and with other token libraries: let an agent make exactly one tool call.
//!
//! `cargo run --release` prints how long issuing and verifying take, how long the token is, and, tried out and not
//! just claimed, what the token is bound to. `README.md` says what each peer covers and what it doesn't.

mod actionpass;
mod biscuit;
mod call;
mod jwt;
mod measure;
mod tenuo;

use std::error::Error;

use crate::call::Call;
use crate::measure::{micros, side_by_side};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What an executor is handed besides the call itself.
struct Presented {
    /// The token as it travels, in text.
    token: String,
    /// What the token's holder adds for this one call, where the peer has that.
    proof: Option<Vec<u8>>,
}

/// A way to let an agent make exactly one call, and to check it.
trait Peer {
    /// The library, its algorithm, and what had to be written around it.
    fn name(&self) -> &'static str;
    /// Issues a token for the call in an action's JSON.
    fn issue(&self, action: &[u8]) -> Result<String>;
    /// What the holder of the token, the agent's side, does for each call that it wants to make.
    fn present(&self, token: String, _call: &Call<'_>) -> Result<Presented> {
        Ok(Presented { token, proof: None })
    }
    /// Whether the token permits this call, whose payload comes as the JSON that the executor received.
    fn permits(&self, presented: &Presented, call: &Call<'_>) -> bool;
}

const ACTION: &str = actionpass_model::DEMO_ACTION;

fn main() -> Result<()> {
    let rounds = if std::env::args().any(|argument| argument == "--quick") {
        5
    } else {
        41
    };
    let peers: Vec<Box<dyn Peer>> = vec![
        Box::new(actionpass::ActionPass::new()?),
        Box::new(jwt::Jwt::new()?),
        Box::new(biscuit::BiscuitPeer::p256()),
        Box::new(biscuit::BiscuitPeer::ed25519()),
        Box::new(tenuo::Tenuo::new()),
    ];
    let call = Call::of(ACTION)?;
    let presented = peers
        .iter()
        .map(|peer| peer.present(peer.issue(ACTION.as_bytes())?, &call))
        .collect::<Result<Vec<_>>>()?;

    let issue = side_by_side(rounds, &peers, |_, peer| {
        peer.issue(ACTION.as_bytes()).map(drop).is_ok()
    });
    let present = side_by_side(rounds, &peers, |at, peer| {
        peer.present(presented[at].token.clone(), &call).is_ok()
    });
    let verify = side_by_side(rounds, &peers, |at, peer| peer.permits(&presented[at], &call));

    println!(
        "| | issue µs | present µs | verify µs | token bytes | another leaf, tool or resource | a member twice | a number that doubles round |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (at, peer) in peers.iter().enumerate() {
        let presented = &presented[at];
        // The agent is the attacker here: it presents the token for another call.
        let permits = |other: &Call<'_>| {
            let presented = peer.present(presented.token.clone(), other);
            presented.is_ok_and(|presented| peer.permits(&presented, other))
        };
        let is_bound = !call.neighbours()?.iter().any(permits);
        let row = [
            peer.name().to_owned(),
            micros(issue[at]),
            presented.proof.as_ref().map_or("–".to_owned(), |_| micros(present[at])),
            micros(verify[at]),
            (presented.token.len() + presented.proof.as_ref().map_or(0, |proof| proof.len().div_ceil(3) * 4))
                .to_string(),
            refused(is_bound),
            refused(!permits(&call.with_member_twice())),
            refused(!confuses_numbers(&**peer)?),
        ];
        println!("| {} |", row.join(" | "));
    }
    println!("\nThe figures are medians of {rounds} interleaved rounds; README.md says what each row leaves out.");
    Ok(())
}

fn refused(is_refused: bool) -> String {
    if is_refused { "refused" } else { "ACCEPTED" }.to_owned()
}

/// Whether a token issued for one integer permits another that a double can't tell from it.
fn confuses_numbers(peer: &dyn Peer) -> Result<bool> {
    let with = |number: &str| ACTION.replacen("\"additions\": 14", &format!("\"additions\": {number}"), 1);
    let (issued, executed) = (with("9007199254740992"), with("9007199254740993"));
    // A peer that issues nothing for such a number confuses nothing.
    let Ok(token) = peer.issue(issued.as_bytes()) else {
        return Ok(false);
    };
    let call = Call::of(&executed)?;
    let presented = peer.present(token, &call)?;
    Ok(peer.permits(&presented, &call))
}
