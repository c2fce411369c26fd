//! Tasks of the repository, run as `cargo xtask TASK`: tests, checks and generated files.

mod bench;
mod bindings;
mod ci;
mod codes;
mod features;
mod generated;
mod graph;
mod latency;
mod layers;
mod mutants;
mod openapi;
mod process;
mod schemas;
mod test;
mod tools;
mod variants;

use std::process::ExitCode;

use crate::generated::Mode;
use crate::process::Result;

const USAGE: &str = "\
usage: cargo xtask TASK

  test [--long] [-- ARGS]
                      install what the tests need, run all of them; ARGS go to the test binaries; with --long
                      the loops that take minutes in full
  ci                  every check that is not a test; wants a complete `test` before it
  layers              no crate depends on one above it
  features            no dependency switches on the features of serde_json that break admission
  codes [--check]     write docs/error-codes.md, and the codes of other languages, from the source, or compare
  bindings node [--check]
                      build the package for Node, pack it for this machine into bindings/node/dist, install it into an
                      empty folder and test it there; with --check generated files are compared, not written
  bindings node --release
                      build what is published, this platform's package and the wrapper with the module in WebAssembly, with a
                      bill of materials, into bindings/node/dist/release, and run it
  bindings python [--check | --bench | --release]
                      the same for Python, with a wheel in bindings/python/dist; with --bench it is measured beside PyJWT and
                      rfc8785; with --release a wheel to publish goes into bindings/python/dist/release
  bindings wasm [--check]
                      build the executor's side in WebAssembly, and test the package for Node with it in the place of its
                      native module; says `not run` where the target can't be had
  bindings cross [--check]
                      build and install both, and let each verify what the other issues
  schemas [--check]   write docs/schemas from the types, or compare
  openapi [--check]   write docs/openapi.json from the routes of the service, or compare
  bench [PART] [--quick] [--json]
                      measure the budgets of docs/benchmarks.md; fails if one isn't met, except with --quick; `bench
                      node` measures the package for Node, built for release
  bench scale [--quick] [--json] [--write]
                      measure how far one log goes, on SQLite and PostgreSQL (which it installs and starts), and what
                      that comes to; --write puts the tables into docs/scaling.md
  load [mcp] [--quick] [--json]
                      measure the service beside a bare handler and Cerbos, or the MCP proxy beside a raw relay; fails
                      as `bench` does
  mutants [LIST [PART]...]
                      break one place after the other and see the tests notice: all lists, or those of LIST
                      (verify, core, store, store-sqlite, faults, store-postgres, faults-postgres, cli, faults-home, policy) with a PART in their name; fails if one
                      survives unexplained
  latency             measure a signature through each custodian beside its client's bare call";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["test"] => test::run(&[], false),
        ["test", "--", rest @ ..] => test::run(rest, false),
        ["test", "--long"] => test::run(&[], true),
        ["test", "--long", "--", rest @ ..] => test::run(rest, true),
        ["ci"] => ci::run(),
        ["layers"] => layers::run(),
        ["features"] => features::run(),
        ["codes"] => codes::run(Mode::Write),
        ["codes", "--check"] => codes::run(Mode::Check),
        ["bindings", "node"] => bindings::node(Mode::Write),
        ["bindings", "node", "--check"] => bindings::node(Mode::Check),
        ["bindings", "node", "--release"] => bindings::node_release(),
        ["bindings", "python"] => bindings::python(Mode::Write),
        ["bindings", "python", "--check"] => bindings::python(Mode::Check),
        ["bindings", "wasm"] => bindings::wasm(Mode::Write),
        ["bindings", "wasm", "--check"] => bindings::wasm(Mode::Check),
        ["bindings", "cross"] => bindings::cross(Mode::Write),
        ["bindings", "cross", "--check"] => bindings::cross(Mode::Check),
        ["bindings", "python", "--bench"] => bindings::python_bench(),
        ["bindings", "python", "--release"] => bindings::python_release(),
        ["schemas"] => schemas::run(Mode::Write),
        ["schemas", "--check"] => schemas::run(Mode::Check),
        ["openapi"] => openapi::run(Mode::Write),
        ["openapi", "--check"] => openapi::run(Mode::Check),
        ["bench", options @ ..] => bench::run(options),
        ["load", options @ ..] => bench::load(options),
        ["mutants"] => mutants::run(None, &[]),
        ["mutants", list, parts @ ..] => mutants::run(Some(list), parts),
        ["latency"] => latency::run(),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    finish(done)
}

fn finish(done: Result) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
