//! The executor's side in WebAssembly (`wasm32-wasip1`): verifies passes and hashes payloads, where no native module is.
//!
//! One buffer takes the question and gives the answer: `room` makes place for a question and says where, `ask` answers it
//! and says how long the answer is, `answer` says where that is. A question is a list of parts, each its length in four bytes,
//! least first, and its bytes; `FFFFFFFF` is the length of a part that isn't there. The first is the name of a function, the others
//! are its arguments. An answer is `+` and a text, or `!` and the JSON of `actionpass_embed::Error`.
//!
//! Nothing is kept between two questions, so whom to believe is handed over with each token.

#![cfg(target_family = "wasm")]

use std::cell::RefCell;

use actionpass_embed::{Action, BindingCode, Call, Error, Trust, Verifier, canonicalize, demo, hash, to_json, verdict};

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Room for a question of so many bytes.
#[unsafe(no_mangle)]
pub extern "C" fn room(length: usize) -> *const u8 {
    BUFFER.with_borrow_mut(|buffer| {
        buffer.clear();
        buffer.resize(length, 0);
        buffer.as_ptr()
    })
}

/// Answers the question in the buffer, and gives the answer's length.
#[unsafe(no_mangle)]
pub extern "C" fn ask() -> usize {
    BUFFER.with_borrow_mut(|buffer| {
        let told = match told(buffer) {
            Ok(text) => ["+", &text].concat(),
            // INVARIANT: an error of ours always has JSON.
            Err(error) => ["!", &to_json(&error).unwrap_or_default()].concat(),
        };
        *buffer = told.into_bytes();
        buffer.len()
    })
}

/// Where the answer is.
#[unsafe(no_mangle)]
pub extern "C" fn answer() -> *const u8 {
    BUFFER.with_borrow(|buffer| buffer.as_ptr())
}

fn told(question: &[u8]) -> Result<String, Error> {
    let parts = parts(question).ok_or_else(malformed)?;
    let (function, arguments) = parts.split_first().ok_or_else(malformed)?;
    match (function.unwrap_or_default(), arguments) {
        (b"hash", [Some(json)]) => hash(json),
        (b"canonicalize", [Some(json)]) => canonicalize(json),
        (b"demoAction", []) => Ok(demo::ACTION.to_owned()),
        (b"trustParse", [Some(json)]) => Trust::parse(json)?.to_json(),
        (b"trustOf", [Some(keys)]) => Trust::of(text(keys)?)?.to_json(),
        (b"accepts", [Some(options), Some(trust)]) => verifier(options, trust).map(|_| String::new()),
        (b"verify", [Some(options), Some(trust), Some(token), head, Some(raw)]) => {
            let verifier = verifier(options, trust)?;
            let verified = call(*head, raw).and_then(|call| verifier.verify(text(token)?, &call));
            verdict(&verified)
        }
        (b"verifyActionPass", [Some(token), Some(action), Some(key), Some(options)]) => {
            let action = Action::admit(action)?;
            verdict(&demo::verify(text(token)?, &action, text(key)?, text(options)?))
        }
        _ => Err(malformed()),
    }
}

fn verifier(options: &[u8], trust: &[u8]) -> Result<Verifier, Error> {
    Verifier::new(text(options)?, Trust::parse(trust)?)
}

/// A call: a whole action, or the head of one in JSON and its payload.
fn call(head: Option<&[u8]>, raw: &[u8]) -> Result<Call, Error> {
    match head {
        Some(head) => Call::parts(text(head)?, raw),
        None => Ok(Call::action(&Action::admit(raw)?)),
    }
}

fn text(bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes).map_err(|error| Error::new(BindingCode::ArgumentInvalid, error.to_string()))
}

/// The parts of a question, if it is one.
fn parts(mut question: &[u8]) -> Option<Vec<Option<&[u8]>>> {
    let mut parts = Vec::new();
    while !question.is_empty() {
        let (length, rest) = question.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length);
        if length == u32::MAX {
            parts.push(None);
            question = rest;
        } else {
            let (part, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            parts.push(Some(part));
            question = rest;
        }
    }
    Some(parts)
}

fn malformed() -> Error {
    Error::new(
        BindingCode::BindingFailed,
        "the module was asked something that it doesn't know",
    )
}
