//! Plans on folders of a user: what is written, that it is written once, and that it is undone byte for byte.

#![cfg(test)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use actionpass_model::CodedError as _;
use actionpass_setup::{
    Asked, CodingAgent, FALLBACK, Hook, Identity, Journal, Places, Plan, Platform, Protection, SetupCode, State,
    status, uninstall,
};
use tempfile::TempDir;

const CONFIG: &str = "# mine\nissuer = \"urn:x\"\ntenants = [\"org:a\"] # only one\n\n[signing]\nkey = \"file:k\"\n";

const CLAUDE_JSON: &str = "{\n  \"numStartups\": 7,\n  \"mcpServers\": {\n    \"files\": {\n      \"type\": \"stdio\",\n      \"command\": \"npx\",\n      \"args\": [\n        \"-y\",\n        \"@modelcontextprotocol/server-filesystem\",\n        \"/srv/work\"\n      ],\n      \"env\": {\n        \"NOTE\": \"hunter2\"\n      }\n    },\n    \"linear\": { \"type\": \"http\", \"url\": \"https://mcp.linear.app/mcp\" },\n    \"local\": { \"type\": \"http\", \"url\": \"http://127.0.0.1:9000/mcp\" }\n  },\n  \"projects\": {\n    \"/p/é\": { \"mcpServers\": { \"files\": { \"command\": \"other\", \"args\": [] } }, \"history\": [1.50, 1e3] }\n  },\n  \"unknown\": null\n}";
const CLAUDE_SETTINGS: &str = "{\r\n\t\"permissions\": {\r\n\t\t\"deny\": [\r\n\t\t\t\"Read(.env)\"\r\n\t\t]\r\n\t},\r\n\t\"hooks\": {\r\n\t\t\"PreToolUse\": [\r\n\t\t\t{ \"matcher\": \"Bash\", \"hooks\": [{ \"type\": \"command\", \"command\": \"mine.sh\" }] }\r\n\t\t]\r\n\t}\r\n}\r\n";
const CODEX: &str = "# Codex\nmodel = \"o5\"\n\n[mcp_servers.docs] # the docs\ncommand = 'npx'\nargs = [\"-y\", \"docs\"]   # odd   spacing\nstartup_timeout_sec = 20\n\n[mcp_servers.docs.env]\nTOKEN = \"hunter3\"\n\n[mcp_servers.remote]\nurl = \"https://docs.example/mcp\"\nbearer_token_env_var = \"DOCS\"\n";
const CURSOR: &str = "{\n  // comments are fine here\n  \"mcpServers\": {\n    \"git\": {\n      \"command\": \"uvx\",\n      \"args\": [\"mcp-server-git\"], // trailing\n    },\n  },\n}\n";
const GEMINI: &str = "{\n  \"theme\": \"Dracula\", // mine\n  \"mcpServers\": { \"git\": { \"command\": \"uvx\", \"args\": [\"mcp-server-git\"] } }\n}\n";
const VSCODE: &str = "{\n\t\"inputs\": [{ \"id\": \"key\", \"type\": \"promptString\", \"password\": true }],\n\t\"servers\": {\n\t\t\"ask\": { \"type\": \"stdio\", \"command\": \"ask\", \"args\": [\"--key\", \"${input:key}\"] },\n\t\t\"filed\": { \"command\": \"x\", \"envFile\": \".env\" }\n\t}\n}";
const DESKTOP: &str = "{\"mcpServers\":{\"files\":{\"command\":\"npx\",\"args\":[\"-y\",\"@modelcontextprotocol/server-filesystem\",\"/srv/work\"]}}}";
const PROJECT: &str = "{\n    \"mcpServers\": {\n        \"db (prod)\": {\n            \"command\": \"db\",\n            \"args\": [\"--password\", \"hunter4\"]\n        },\n        \"old\": { \"type\": \"sse\", \"url\": \"http://localhost:1/sse\" },\n        \"signed\": { \"type\": \"http\", \"url\": \"http://localhost:1/mcp\", \"headers\": { \"Authorization\": \"Bearer hunter5\" } }\n    }\n}\n";

struct Machine {
    folder: TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for (path, text) in [
            ("home/config.toml", CONFIG),
            ("user/.claude.json", CLAUDE_JSON),
            ("user/.claude/settings.json", CLAUDE_SETTINGS),
            ("user/.codex/config.toml", CODEX),
            ("user/.cursor/mcp.json", CURSOR),
            ("user/.gemini/settings.json", GEMINI),
            ("user/.config/Code/User/mcp.json", VSCODE),
            ("user/.config/Claude/claude_desktop_config.json", DESKTOP),
            ("project/.mcp.json", PROJECT),
        ] {
            machine.write(path, text);
        }
        machine
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    fn places(&self) -> Places {
        Places::new(self.path("user"), Platform::Unix).with_project(self.path("project"))
    }

    fn below(&self) -> Vec<PathBuf> {
        let mut below = self.places().below();
        below.push(self.path("home"));
        below
    }

    fn identity() -> Identity {
        let mut identity = Identity::default();
        identity.owner = Some("user:maya@example.com".parse().unwrap());
        identity
    }

    fn protection(&self) -> Protection {
        let program = PathBuf::from("/opt/bin/actionpass");
        Protection::new(self.places(), self.path("home"), program, Self::identity())
    }

    fn apply(&self, plan: &Plan) {
        let mut journal = Journal::open(&self.path("home")).unwrap();
        for change in &plan.changes {
            change.apply(&mut journal).unwrap();
        }
    }

    fn undo(&self) -> Plan {
        let mut journal = Journal::open(&self.path("home")).unwrap();
        let plan = journal.undo(&self.below());
        for change in &plan.changes {
            change.apply(&mut journal).unwrap();
        }
        journal.save().unwrap();
        plan
    }

    /// Every file and what it holds.
    fn snapshot(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.insert(path.clone(), fs::read(path).unwrap());
                }
            }
        }
        files
    }
}

fn left<'a>(plan: &'a Plan, path: &str, what: &str) -> &'a str {
    let found = plan
        .left
        .iter()
        .find(|left| left.path.ends_with(path) && left.what == what);
    &found.unwrap_or_else(|| panic!("{path} {what}: {:?}", plan.left)).why
}

#[test]
fn everything_is_watched_once_and_undone_byte_for_byte() {
    let machine = Machine::new();
    let before = machine.snapshot();
    let plan = machine.protection().plan().unwrap();
    let paths: Vec<&Path> = plan.changes.iter().map(|change| change.path.as_path()).collect();
    assert_eq!(paths.len(), 12, "{paths:?}");
    assert!(paths[0].ends_with("home/config.toml") && paths[1].ends_with("home/tools.toml"));
    machine.apply(&plan);

    let claude = machine.read("user/.claude.json");
    let home = machine.path("home").display().to_string();
    let wrapped = format!(
        "      \"command\": \"/opt/bin/actionpass\",\n      \"args\": [\n        \"mcp\",\n        \"--server\",\n        \"files\",\n        \"--home\",\n        \"{home}\",\n        \"--door\",\n        \"claude-code-mcp\",\n        \"--observe\",\n        \"--\",\n        \"npx\",\n        \"-y\",\n        \"@modelcontextprotocol/server-filesystem\",\n        \"/srv/work\"\n      ],\n      \"env\": {{\n        \"NOTE\": \"hunter2\"\n"
    );
    assert!(claude.contains(&wrapped), "{claude}");
    assert!(claude.contains("\"history\": [1.50, 1e3]") && claude.ends_with("\"unknown\": null\n}"));
    assert!(
        claude.contains("\"local\": { \"type\": \"stdio\", \"command\": \"/opt/bin/actionpass\", \"args\": ["),
        "{claude}"
    );
    assert!(claude.contains("\"--url\", \"http://127.0.0.1:9000/mcp\"]"), "{claude}");
    let settings = machine.read("user/.claude/settings.json");
    assert!(
        settings.contains("\r\n\t\t\t\t\t\t\"onFailure\": \"block\"\r\n"),
        "{settings}"
    );
    assert!(settings.contains(&format!(
        "hook run --agent claude-code --home {home} --door claude-code --observe --deadline 30s {FALLBACK}"
    )));
    assert!(
        settings.contains("\"Edit(~/.claude/settings*.json)\"") && settings.contains(&format!("\"Read(/{home}/**)\""))
    );
    assert!(!settings.replace("\r\n", "").contains('\n'));
    assert!(
        machine
            .read("user/.codex/config.toml")
            .contains("args = [\"mcp\", \"--server\", \"docs\",")
    );
    assert!(machine.read("user/.codex/hooks.json").contains("\"PreToolUse\""));
    let cursor = machine.read("user/.cursor/hooks.json");
    assert!(
        cursor.starts_with("{\n  \"version\": 1,\n  \"hooks\": {\n    \"preToolUse\": [\n"),
        "{cursor}"
    );
    assert_eq!(cursor.matches("\"failClosed\": true").count(), 2, "{cursor}");
    let gemini = machine.read("user/.gemini/settings.json");
    assert!(
        gemini.contains("\"timeout\": 30000") && gemini.contains("// mine"),
        "{gemini}"
    );

    let tools = machine.read("home/tools.toml");
    for part in [
        "[[server]]\nname = \"files\"\ncommand = [\"npx\", \"-y\", \"@modelcontextprotocol/server-filesystem\", \"/srv/work\"]\nenv = [\"NOTE\"]\n",
        // The same name for another server, and for the same one with other variables.
        "name = \"files-claude-code\"\ncommand = [\"other\"]\n",
        "name = \"files-claude-desktop\"\n",
        "name = \"local\"\nurl = \"http://127.0.0.1:9000/mcp\"\n",
        "name = \"docs\"\ncommand = [\"npx\", \"-y\", \"docs\"]\nenv = [\"TOKEN\"]\n",
        // Words that hold a secret, or that something else is put in for, are not repeated.
        "[[server]]\nname = \"ask\"\n\n",
        "[[server]]\nname = \"db--prod-\"\n",
    ] {
        assert!(tools.contains(part), "{part}: {tools}");
    }
    assert_eq!(tools.matches("name = \"git").count(), 1, "{tools}");
    let config = machine.read("home/config.toml");
    assert!(config.starts_with(CONFIG), "{config}");
    assert!(config.contains("[[door]]\nname = \"claude-code\"\nkind = \"claude-code\"\ntenant = \"org:a\"\nagent = \"agent:claude-code\"\nowner = \"user:maya@example.com\"\nruntime = \"runtime:claude-code\"\n"));
    assert!(config.contains("name = \"codex-mcp\"\nkind = \"mcp\"\n"), "{config}");

    assert!(left(&plan, ".claude.json", "linear").contains("--remote"));
    assert!(left(&plan, "config.toml", "remote").contains("headers"));
    assert!(left(&plan, "Code/User/mcp.json", "filed").contains("file"));
    assert!(left(&plan, ".mcp.json", "old").contains("server-sent"));
    assert!(left(&plan, ".mcp.json", "signed").contains("headers"));
    let shown: String = plan.changes.iter().map(actionpass_setup::Change::diff).collect();
    assert!(!shown.contains("hunter"), "{shown}");
    assert!(plan.notes.iter().any(|note| note.contains("/hooks")));
    // What can be undone holds no secret that wasn't replaced.
    let record = machine.read("home/protect.json");
    for secret in ["hunter2", "hunter3", "hunter5"] {
        assert!(!record.contains(secret), "{record}");
    }

    assert!(machine.protection().plan().unwrap().changes.is_empty());
    assert!(machine.undo().left.is_empty());
    assert!(machine.snapshot() == before, "{:?}", machine.snapshot().keys());
}

#[test]
fn enforcing_takes_observe_away_and_is_undone_with_the_rest() {
    let machine = Machine::new();
    let before = machine.snapshot();
    machine.apply(&machine.protection().plan().unwrap());
    let observed = |state| {
        let guarded = machine.protection().look();
        guarded.into_iter().filter(|guarded| guarded.state == state).count()
    };
    assert_eq!((observed(State::Observed), observed(State::Enforced)), (13, 0));
    machine.apply(&machine.protection().enforce().unwrap());
    assert_eq!((observed(State::Observed), observed(State::Enforced)), (0, 13));
    for path in ["user/.claude.json", "user/.codex/hooks.json", "user/.cursor/mcp.json"] {
        assert!(!machine.read(path).contains("--observe"), "{path}");
    }
    assert!(machine.protection().enforce().unwrap().changes.is_empty());
    assert!(machine.protection().plan().unwrap().changes.is_empty());
    // A server that is added later starts watched.
    let text = machine.read("user/.cursor/mcp.json");
    machine.write(
        "user/.cursor/mcp.json",
        &text.replace("{\n    \"git\"", "{\n    \"new\": { \"command\": \"n\" },\n    \"git\""),
    );
    let plan = machine.protection().plan().unwrap();
    assert_eq!(plan.changes.len(), 2);
    machine.apply(&plan);
    assert_eq!((observed(State::Observed), observed(State::Enforced)), (1, 13));
    // What the user added stays.
    assert!(machine.undo().left.is_empty());
    let mut expected = before;
    let cursor = expected.get_mut(&machine.path("user/.cursor/mcp.json")).unwrap();
    let cursor_now = machine.read("user/.cursor/mcp.json");
    assert!(
        cursor_now.contains("\"new\": { \"command\": \"n\" }") && !cursor_now.contains("actionpass"),
        "{cursor_now}"
    );
    *cursor = cursor_now.into_bytes();
    assert!(machine.snapshot() == expected);
}

#[test]
fn what_changed_since_is_taken_back_where_it_is_recognizable() {
    let machine = Machine::new();
    machine.apply(&machine.protection().plan().unwrap());
    let claude = machine
        .read("user/.claude.json")
        .replace("\"numStartups\": 7", "\"numStartups\": 8");
    machine.write("user/.claude.json", &claude);
    let settings = machine
        .read("user/.claude/settings.json")
        .replace("mine.sh", "yours.sh");
    machine.write("user/.claude/settings.json", &settings);
    let project = machine
        .read("project/.mcp.json")
        .replace("/opt/bin/actionpass", "/opt/elsewhere");
    machine.write("project/.mcp.json", &project);
    let codex = machine.read("user/.codex/config.toml") + "\n[profiles.x]\nmodel = \"y\"\n";
    machine.write("user/.codex/config.toml", &codex);
    fs::remove_file(machine.path("user/.cursor/hooks.json")).unwrap();

    let plan = machine.undo();
    assert!(left(&plan, ".mcp.json", "mcpServers.db (prod).command").contains("changed"));
    assert!(left(&plan, ".cursor/hooks.json", "").contains("isn't there"));
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let expected = CLAUDE_JSON.replace("\"numStartups\": 7", "\"numStartups\": 8");
    assert_eq!(value(&machine.read("user/.claude.json")), value(&expected));
    let expected = CLAUDE_SETTINGS.replace("mine.sh", "yours.sh");
    assert_eq!(machine.read("user/.claude/settings.json"), expected);
    let codex = machine.read("user/.codex/config.toml");
    assert!(
        codex.contains("command = 'npx'") || codex.contains("command = \"npx\""),
        "{codex}"
    );
    assert!(
        codex.contains("args = [\"-y\", \"docs\"]   # odd   spacing") && codex.ends_with("model = \"y\"\n"),
        "{codex}"
    );
    // A command and its arguments belong together.
    assert_eq!(machine.read("project/.mcp.json"), project);
    assert!(!machine.path("home/protect.json").exists());
}

#[test]
#[cfg(unix)]
fn what_is_hostile_or_broken_is_left_alone_and_said() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let machine = Machine::new();
    machine.write("user/.claude.json", "{ \"mcpServers\": { \"a\": } }");
    machine.write("elsewhere/secret.json", "{}");
    fs::remove_file(machine.path("user/.gemini/settings.json")).unwrap();
    symlink(
        machine.path("elsewhere/secret.json"),
        machine.path("user/.gemini/settings.json"),
    )
    .unwrap();
    fs::set_permissions(machine.path("user/.cursor/mcp.json"), fs::Permissions::from_mode(0o666)).unwrap();
    let huge = fs::File::create(machine.path("user/.config/Code/User/mcp.json")).unwrap();
    huge.set_len(17 << 20).unwrap();
    machine.write("user/.codex/config.toml", "a = 1\r\nb = 2\n");
    machine.write("user/.claude/settings.json", "[]");
    machine.write(
        "project/.mcp.json",
        "{\"mcpServers\":{\"\\u001b[2J\\u202edb\":{\"command\":\"x\"},\"twice\":{\"command\":\"x\",\"command\":\"y\"}}}",
    );
    let before = machine.snapshot();
    let plan = machine.protection().plan().unwrap();
    for (path, why) in [
        ("user/.claude.json", "no value at byte 23"),
        ("user/.gemini/settings.json", "leads out"),
        ("user/.cursor/mcp.json", "written by everybody"),
        ("Code/User/mcp.json", "larger than 16 MiB"),
        ("user/.codex/config.toml", "lines end in different ways"),
        ("user/.claude/settings.json", "no object"),
        ("project/.mcp.json", "a name twice"),
    ] {
        assert!(left(&plan, path, "").contains(why), "{path}: {:?}", plan.left);
    }
    machine.write(
        "project/.mcp.json",
        "{\"mcpServers\":{\"\\u001b[2J\\u202edb\":{\"command\":\"x\"}}}",
    );
    let plan = machine.protection().plan().unwrap();
    let change = plan
        .changes
        .iter()
        .find(|change| change.path.ends_with(".mcp.json"))
        .unwrap();
    let shown = change.diff() + &change.why.join("\n");
    assert!(
        !shown.contains('\u{1b}') && !shown.contains('\u{202e}') && shown.contains("\\u{1b}[2J"),
        "{shown}"
    );
    // Another link, to a file of the user's own, is followed and stays a link.
    fs::remove_file(machine.path("project/.mcp.json")).unwrap();
    machine.write("user/dotfiles/mcp.json", PROJECT);
    symlink(
        machine.path("user/dotfiles/mcp.json"),
        machine.path("project/.mcp.json"),
    )
    .unwrap();
    machine.apply(&machine.protection().plan().unwrap());
    assert!(machine.path("project/.mcp.json").is_symlink());
    assert!(machine.read("user/dotfiles/mcp.json").contains("actionpass"));
    machine.undo();
    assert_eq!(machine.read("user/dotfiles/mcp.json"), PROJECT);
    for path in ["user/.claude.json", "elsewhere/secret.json", "user/.cursor/mcp.json"] {
        assert_eq!(
            fs::read(machine.path(path)).unwrap(),
            before[&machine.path(path)],
            "{path}"
        );
    }
}

#[test]
fn a_file_that_changed_after_it_was_shown_is_left_alone() {
    let machine = Machine::new();
    let plan = machine.protection().plan().unwrap();
    let meanwhile = CURSOR.replace("uvx", "other");
    machine.write("user/.cursor/mcp.json", &meanwhile);
    machine.write("home/tools.toml", "schema = \"actionpass.tools.v1\"\n");
    let mut journal = Journal::open(&machine.path("home")).unwrap();
    for change in &plan.changes {
        let moved = change.path.ends_with(".cursor/mcp.json") || change.path.ends_with("tools.toml");
        match change.apply(&mut journal) {
            Ok(()) => assert!(!moved),
            Err(error) => assert!(moved && error.code() == SetupCode::AgentConfigurationMoved),
        }
    }
    assert_eq!(machine.read("user/.cursor/mcp.json"), meanwhile);
    let journal = Journal::open(&machine.path("home")).unwrap();
    assert!(!journal.paths().iter().any(|path| path.ends_with(".cursor/mcp.json")));
}

#[test]
#[cfg(unix)]
fn modes_stay_and_new_files_are_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let machine = Machine::new();
    let mode = |path: &str| fs::metadata(machine.path(path)).unwrap().permissions().mode() & 0o777;
    fs::set_permissions(machine.path("user/.claude.json"), fs::Permissions::from_mode(0o640)).unwrap();
    machine.apply(&machine.protection().plan().unwrap());
    assert_eq!(mode("user/.claude.json"), 0o640);
    assert_eq!(mode("user/.codex/hooks.json"), 0o600);
    assert_eq!(mode("home/protect.json"), 0o600);
}

#[test]
fn hooks_are_installed_checked_and_uninstalled() {
    let machine = Machine::new();
    let before = machine.snapshot();
    let program = machine.path("bin with space/actionpass");
    machine.write("bin with space/actionpass", "");
    let asked = Asked::Home(machine.path("home").display().to_string());
    for &agent in CodingAgent::ALL {
        assert_eq!(status(&machine.places(), agent).state, State::Open);
        let mut hook = Hook::new(agent, asked.clone(), program.clone());
        hook.is_observing = true;
        machine.apply(&hook.install(&machine.places(), &Machine::identity()).unwrap());
        let found = status(&machine.places(), agent);
        assert_eq!((found.state, found.problems), (State::Observed, vec![]), "{agent:?}");
        // The other mode takes the place of the first.
        hook.is_observing = false;
        machine.apply(&hook.install(&machine.places(), &Machine::identity()).unwrap());
        let found = status(&machine.places(), agent);
        assert_eq!((found.state, found.problems), (State::Enforced, vec![]), "{agent:?}");
        assert!(
            hook.install(&machine.places(), &Machine::identity())
                .unwrap()
                .changes
                .is_empty()
        );

        let (path, text) = (found.path.clone(), fs::read_to_string(&found.path).unwrap());
        fs::write(&path, text.replace("30s", "300s")).unwrap();
        assert!(!status(&machine.places(), agent).problems.is_empty(), "{agent:?}");
        fs::write(&path, text).unwrap();
    }
    fs::remove_file(&program).unwrap();
    let problems = status(&machine.places(), CodingAgent::Cursor).problems;
    assert!(
        problems.iter().any(|problem| problem.contains("is not there")),
        "{problems:?}"
    );
    for &agent in CodingAgent::ALL {
        machine.apply(&uninstall(&machine.places(), agent).unwrap());
        assert_eq!(status(&machine.places(), agent).state, State::Open);
        assert!(uninstall(&machine.places(), agent).unwrap().changes.is_empty());
    }
    let value = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).unwrap();
    let settings = machine.path("user/.claude/settings.json");
    assert_eq!(value(&fs::read(&settings).unwrap()), value(&before[&settings]));
    machine.write("bin with space/actionpass", "");
    machine.undo();
    let mut now = machine.snapshot();
    now.remove(&program);
    assert!(now == before, "{:?}", now.keys());
}

#[test]
fn hooks_that_are_switched_off_are_told() {
    let machine = Machine::new();
    machine.apply(&machine.protection().plan().unwrap());
    for (agent, path, from, to) in [
        (
            CodingAgent::ClaudeCode,
            "user/.claude/settings.json",
            "{\r\n",
            "{\r\n\"disableAllHooks\": true,\r\n",
        ),
        (
            CodingAgent::Gemini,
            "user/.gemini/settings.json",
            "{\n",
            "{\n\"hooksConfig\": { \"enabled\": false },\n",
        ),
        (
            CodingAgent::Codex,
            "user/.codex/config.toml",
            "# Codex",
            "features.hooks = false",
        ),
    ] {
        let text = machine.read(path).replacen(from, to, 1);
        machine.write(path, &text);
        let problems = status(&machine.places(), agent).problems;
        assert!(
            problems.iter().any(|problem| problem.contains("switches")),
            "{agent:?}: {problems:?}"
        );
    }
}

#[test]
fn a_service_is_asked_without_a_home() {
    let machine = Machine::new();
    let asked = Asked::Gate {
        url: "https://gate.example".to_owned(),
        token_file: "/etc/actionpass/token".to_owned(),
    };
    let hook = Hook::new(CodingAgent::Codex, asked, "/opt/bin/actionpass".into());
    let plan = hook.install(&machine.places(), &Identity::default()).unwrap();
    assert_eq!(plan.changes.len(), 1);
    let text = plan.changes[0].after().unwrap();
    assert!(
        text.contains(&format!(
            "--gate https://gate.example --token-file /etc/actionpass/token --deadline 30s {FALLBACK}"
        )),
        "{text}"
    );
}

#[test]
fn a_home_that_names_nobody_is_refused() {
    let machine = Machine::new();
    let mut protection = machine.protection();
    protection.identity = Identity::default();
    assert_eq!(protection.plan().unwrap_err().code(), SetupCode::ProtectIdentityMissing);
    protection = machine.protection();
    protection.program = "actionpass".into();
    assert_eq!(
        protection.plan().unwrap_err().code(),
        SetupCode::AgentConfigurationUnusable
    );
    protection = machine.protection();
    machine.write(
        "home/config.toml",
        &CONFIG.replace("[\"org:a\"]", "[\"org:a\", \"org:b\"]"),
    );
    assert_eq!(protection.plan().unwrap_err().code(), SetupCode::ProtectIdentityMissing);
    machine.write("home/protect.json", "{}");
    assert_eq!(
        Journal::open(&machine.path("home")).unwrap_err().code(),
        SetupCode::ProtectRecordInvalid
    );
}
