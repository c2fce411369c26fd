use std::fs;
use std::path::PathBuf;

use actionpass_gate::{ListedTool, ListingCode, Origin};
use actionpass_model::{Audience, Timestamp, Tool};
use actionpass_policy::{PolicyEngine, RulePolicy};
use actionpass_verify::canon::{Limits, sha256};

use super::*;
use crate::{Brought, BroughtFiles, Config};

const RULES: &str = "schema = \"actionpass.policy.v1\"\nid = \"p\"\n";
const TOOLS_TOML: &str = r#"schema = "actionpass.tools.v1"
[[server]]
name = "github"
[[tool]]
match = "github/put"
tool = "github.put"
audience = "executor"
schema = "schemas/put.json"
colliding_names = "permit"
[[tool]]
match = "github/read*"
audience = "reader"
"#;

/// A folder that looks like a home, as far as is read here.
struct Place {
    _folder: tempfile::TempDir,
    root: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("home");
        fs::create_dir_all(root.join("keys")).unwrap();
        let place = Self { _folder: folder, root };
        place.put("policy.toml", RULES);
        place
    }

    fn put(&self, name: &str, text: &str) {
        let path = self.root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn home(&self) -> Home {
        Home::open(&self.root).unwrap()
    }
}

fn config(audiences: &str) -> Config {
    let head = "issuer = \"urn:x\"\ntenants = [\"org:a\"]\n[signing]\nkey = \"file:a\"\n";
    Config::parse(&format!("{head}{audiences}"), "config.toml".as_ref()).unwrap()
}

const AUDIENCES: &str =
    "[[audience]]\nname = \"executor\"\ntools = []\n[[audience]]\nname = \"reader\"\ntools = [\"other\"]\n";

#[test]
fn a_home_without_a_catalogue_has_the_digest_of_its_rules() {
    let place = Place::new();
    let policy = place.home().policy(&config("")).unwrap();
    let rules = RulePolicy::load(RULES, "policy.toml").unwrap();
    assert_eq!(policy.digest(), rules.digest());
    assert_eq!(policy.catalogue().files().count(), 0);
}

#[test]
fn the_digest_covers_the_catalogue_and_its_schemas() {
    let place = Place::new();
    place.put("tools.toml", TOOLS_TOML);
    place.put("schemas/put.json", "{}");
    let policy = place.home().policy(&config(AUDIENCES)).unwrap();
    let files = [
        ("tools.toml", sha256(TOOLS_TOML.as_bytes())),
        ("schemas/put.json", sha256(b"{}")),
    ];
    assert_eq!(policy.catalogue().files().collect::<Vec<_>>(), files);
    let rules = RulePolicy::load(RULES, "policy.toml").unwrap();
    assert_eq!(policy.digest(), rules.clone().with_files(files).unwrap().digest());
    assert_ne!(policy.digest(), rules.digest());
    // What it says of tools goes with it.
    let tool = |name| Tool::parse(name).unwrap();
    let audience = |name| policy.audience(&tool(name)).map(Audience::as_str);
    assert_eq!(audience("github.put"), Some("executor"));
    assert_eq!(audience("mcp/github/read_file"), Some("reader"));
    assert_eq!((audience("mcp/github/put"), audience("other")), (None, None));
    assert!(policy.permits_colliding_names(&tool("github.put")));
    assert!(!policy.permits_colliding_names(&tool("other")));
}

#[test]
fn a_rule_about_an_argument_that_no_call_has_is_refused() {
    let place = Place::new();
    let rule = |tools: &str, path: &str| {
        format!(
            "{RULES}[[rule]]\nid = \"r\"\neffect = \"deny\"\ntool = {tools}\nwhen = [{{ path = \"{path}\", equals = 1 }}]\n"
        )
    };
    let load = |tools: &str, path: &str| {
        place.put("policy.toml", &rule(tools, path));
        place.home().policy(&config(AUDIENCES))
    };
    place.put("tools.toml", TOOLS_TOML);
    place.put("schemas/put.json", "{\"properties\":{\"n\":{}}}");
    for (tools, path) in [
        ("\"github.put\"", "payload.n"),
        // Of another tool nothing is known, and a pattern may be about any.
        ("[\"github.put\", \"other\"]", "payload.m"),
        ("\"github.*\"", "payload.m"),
        ("\"github.put\"", "fact.m"),
        ("\"mcp/github/read_file\"", "payload.m"),
    ] {
        assert!(load(tools, path).is_ok(), "{tools} {path}");
    }
    let error = load("\"github.put\"", "payload.m").unwrap_err();
    assert_eq!(error.code(), "policy_path_undeclared");
    assert!(error.to_string().contains("`r` looks at `payload.m`"), "{error}");
    // A pinned definition counts for whoever asks by pins.
    let policy = load("\"mcp/github/read_file\"", "payload.m").unwrap();
    let listed = br#"[{"name":"read_file","inputSchema":{"properties":{"n":{}}}}]"#;
    let listed = ListedTool::read_all(listed, &[], &Limits::default()).unwrap();
    let mut pins = Pins::default();
    pins.offer("github", &Origin::of_url("https://a.example").unwrap(), &listed);
    assert!(policy.check_paths(Some(&pins)).is_ok());
    pins.approve("github", "read_file", Timestamp::from_unix_millis(0).unwrap(), None)
        .unwrap();
    assert_eq!(
        policy.check_paths(Some(&pins)).unwrap_err().code(),
        "policy_path_undeclared"
    );
}

#[test]
fn audiences_of_the_catalogue_are_held_against_the_configuration() {
    let place = Place::new();
    place.put("tools.toml", TOOLS_TOML);
    place.put("schemas/put.json", "{}");
    let code = |audiences: &str| {
        place
            .home()
            .catalogue(&config(audiences))
            .unwrap_err()
            .code()
            .to_string()
    };
    assert_eq!(code(""), "tools_audience_unknown");
    let twice = AUDIENCES.replace("tools = []", "tools = [\"github.put\"]");
    assert_eq!(code(&twice), "tools_audience_repeated");
}

#[test]
fn a_catalogue_that_is_there_is_never_taken_for_none() {
    let place = Place::new();
    let code = || {
        place
            .home()
            .catalogue(&config(AUDIENCES))
            .unwrap_err()
            .code()
            .to_string()
    };
    place.put("tools.toml", TOOLS_TOML);
    assert_eq!(code(), "tools_schema_file");
    place.put("schemas/put.json", "{\"type\": 1}");
    assert_eq!(code(), "tools_schema_file");
    place.put(
        "tools.toml",
        "schema = \"actionpass.tools.v1\"\n[[server]]\nnam = \"a\"\n",
    );
    assert_eq!(code(), "tools_invalid");
    fs::write(place.root.join("tools.toml"), [0xff]).unwrap();
    assert_eq!(code(), "tools_invalid");
    fs::remove_file(place.root.join("tools.toml")).unwrap();
    fs::create_dir(place.root.join("tools.toml")).unwrap();
    assert_eq!(code(), "file_unreadable");
}

#[cfg(unix)]
#[test]
fn a_schema_is_written_over_nothing_else() {
    let place = Place::new();
    place.put("config.toml", "as its owner wrote it");
    let (schema, brought) = (r#"{"type":"object"}"#, place.root.join("../brought"));
    for name in [
        "config.toml",
        "Config.TOML",
        "keys/pass.pem",
        "ledger.db",
        "ledger.db-wal",
        "serve.lock",
        "pins.json",
    ] {
        let path = brought.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, schema).unwrap();
        let tools = TOOLS_TOML.replace("schemas/put.json", name);
        let path = brought.join("tools.toml");
        let brought = Brought {
            path: &path,
            bytes: tools.as_bytes(),
        };
        let files = BroughtFiles {
            policy: None,
            tools: Some(brought),
        };
        let error = place.home().put_policy(&config(AUDIENCES), files).unwrap_err();
        assert_eq!(error.code().to_string(), "tools_schema_file", "{name}");
    }
    assert_eq!(
        fs::read_to_string(place.root.join("config.toml")).unwrap(),
        "as its owner wrote it"
    );
    let home: Vec<_> = fs::read_dir(&place.root)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(!home.iter().any(|name| name == "tools.toml"), "{home:?}");
}

#[test]
fn what_others_can_write_is_not_read() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let place = Place::new();
    let open = |name: &str, mode| fs::set_permissions(place.root.join(name), fs::Permissions::from_mode(mode)).unwrap();
    let code = || {
        place
            .home()
            .catalogue(&config(AUDIENCES))
            .unwrap_err()
            .code()
            .to_string()
    };
    place.put("tools.toml", TOOLS_TOML);
    place.put("schemas/put.json", "{}");
    open("schemas/put.json", 0o666);
    assert_eq!(code(), "home_not_private");
    open("schemas/put.json", 0o600);
    open("schemas", 0o777);
    assert_eq!(code(), "home_not_private");
    open("schemas", 0o700);
    assert!(place.home().catalogue(&config(AUDIENCES)).is_ok());
    open("tools.toml", 0o622);
    assert_eq!(code(), "home_not_private");
    // A link that leads nowhere is a catalogue that is lost.
    fs::remove_file(place.root.join("tools.toml")).unwrap();
    symlink("gone.toml", place.root.join("tools.toml")).unwrap();
    assert_eq!(code(), "file_unreadable");
}

#[test]
fn pins_are_changed_as_a_whole() {
    let place = Place::new();
    let home = place.home();
    assert_eq!(home.pins().unwrap(), Pins::default());
    let origin = Origin::of_url("https://mcp.example.com").unwrap();
    let listed = ListedTool::read_all(br#"[{"name":"search"}]"#, &[], &Limits::default()).unwrap();
    let offer = || home.change_pins(|pins| Ok::<_, HomeError>(pins.offer("docs", &origin, &listed)));
    assert!(offer().unwrap());
    let written = || fs::read(place.root.join("pins.json")).unwrap();
    let first = written();
    assert!(!offer().unwrap());
    assert_eq!(written(), first);
    // What is refused is not written, whatever was done until then.
    let now = Timestamp::from_unix_millis(0).unwrap();
    let refused = home.change_pins(|pins| {
        pins.approve("docs", "search", now, None)?;
        pins.approve("docs", "other", now, None)?;
        Ok::<_, HomeError>(())
    });
    assert_eq!(refused.unwrap_err().code(), ListingCode::PinUnknown);
    assert_eq!(written(), first);
    home.change_pins(|pins| Ok::<_, HomeError>(pins.approve("docs", "search", now, None)?))
        .unwrap();
    assert!(home.pins().unwrap().pinned("docs", "search").is_some());
    #[cfg(unix)]
    {
        let metadata = fs::metadata(place.root.join("pins.json")).unwrap();
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777,
            0o600
        );
    }
    place.put("pins.json", "{}");
    assert_eq!(home.pins().unwrap_err().code(), ListingCode::PinsInvalid);
}
