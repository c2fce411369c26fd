//! Policy, tools, pins, clients and invitations of a home in a database: the same for every machine, whatever its folder holds.

use serde_json::{Value, json};

use crate::action::{ALLOW, DENY};
use crate::database::{LAX, consume, database, elsewhere, home, server};
use crate::home::{Home, Ran};
use crate::served::{ALL_RIGHTS, Served, client};
use crate::support::until;

/// Looks at an argument.
const RULE: &str = r#"schema = "actionpass.policy.v1"
id = "notes"
[[rule]]
id = "notes.put"
effect = "allow"
tool = "notes.put"
resource = "*"
when = [{ path = "payload.topic", equals = "a" }]
"#;
/// Has a schema of its own.
const TOOLS: &str = r#"schema = "actionpass.tools.v1"
[[server]]
name = "notes"
[[tool]]
match = "notes/put"
tool = "notes.put"
schema = "schemas/put.json"
"#;
const DECLARES: &str = r#"{"type":"object","additionalProperties":false,"properties":{"topic":{"type":"string"}}}"#;
const LACKS: &str = r#"{"type":"object","additionalProperties":false,"properties":{"subject":{"type":"string"}}}"#;

/// Which policy is in force, by what is kept.
fn in_force(home: &Home) -> (Value, Value, Value) {
    let shown = home.run(["policy", "show"]).exits(0).json();
    (shown["id"].clone(), shown["version"].clone(), shown["digest"].clone())
}

/// The policy that the ledger says is in force.
fn recorded(home: &Home) -> Value {
    let records = home.records();
    let last = records.iter().rev().find(|record| record["kind"] == "policy").unwrap();
    last["body"]["policy"]["digest"].clone()
}

/// Writes a catalogue and its schema into a folder beside the home, and gives the catalogue's name.
fn catalogue(home: &Home, folder: &str, schema: &str) -> String {
    std::fs::create_dir_all(home.path(folder).join("schemas")).unwrap();
    home.write(&format!("{folder}/schemas/put.json"), schema);
    home.write(&format!("{folder}/tools.toml"), TOOLS)
}

fn names(home: &Home) -> Vec<String> {
    let listed = home.run(["clients", "list"]).exits(0).json();
    let clients = listed["clients"].as_array().unwrap().iter();
    let mut names: Vec<String> = clients
        .map(|client| client["name"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

fn invite(home: &Home, who: &str) -> Ran {
    home.run([
        "approvers",
        "invite",
        who,
        "--role",
        "maintainer",
        "--origin",
        "https://approve.example",
    ])
}

fn invited(home: &Home) -> usize {
    let listed = home.run(["approvers", "list"]).exits(0).json();
    listed["invited"].as_array().unwrap().len()
}

#[test]
fn what_one_machine_changes_all_go_by() {
    let (home, _) = home();
    let other = elsewhere(&home);
    assert_eq!(in_force(&other).0, "starter");
    home.run(["authorize", "--action", DENY]).exits(10);
    home.write("lax.toml", LAX);
    let put = home.run(["policy", "put", "lax.toml"]).exits(0).json();
    assert_eq!((&put["id"], &put["version"]), (&json!("lax"), &json!(2)));
    assert_eq!(in_force(&other), (json!("lax"), json!(2), put["digest"].clone()));
    assert_eq!(recorded(&other), put["digest"]);
    assert_eq!(other.talk(["policy", "show"]).exits(0).stdout, LAX);
    consume(&other, &other.pass(DENY), DENY).exits(0);
    // The same again is no change.
    let again = home.run(["policy", "put", "lax.toml"]).exits(0).json();
    assert_eq!((&again["version"], &again["record"]), (&json!(2), &Value::Null));

    client(&home, "ci", "authorize");
    assert_eq!(names(&other), ["ci"]);
    other.run(["clients", "remove", "ci"]).exits(0);
    assert_eq!(names(&home), Vec::<String>::new());
    invite(&home, "user:maya@example.com").exits(0);
    invite(&other, "user:noah@example.com").exits(0);
    assert_eq!((invited(&home), invited(&other)), (2, 2));
    let tools = catalogue(&home, "new", DECLARES);
    home.run(["tools", "put", &tools]).exits(0);
    let listed = other.run(["tools", "list"]).exits(0).json();
    assert!(listed.to_string().contains("notes.put"), "{listed}");
    assert_eq!(
        other.talk(["policy", "show", "schemas/put.json"]).exits(0).stdout,
        DECLARES
    );
    other.run(["policy", "show", "other.json"]).fails(2, "usage_invalid");
    for home in [&home, &other] {
        let folder = std::fs::read_dir(home.path("home")).unwrap().flatten();
        let files: Vec<_> = folder.map(|entry| entry.file_name().into_string().unwrap()).collect();
        for kept in [
            "policy.toml",
            "tools.toml",
            "clients.toml",
            "approvers.json",
            "schemas",
            "trust.json",
        ] {
            assert!(!files.iter().any(|file| file == kept), "{files:?}");
        }
        let ran = home.run(["doctor"]).exits(0);
        assert!(!ran.stdout.contains("not used"), "{ran:?}");
    }
}

#[test]
fn files_of_the_folder_are_named_and_not_used() {
    let (home, _) = home();
    let token = client(&home, "all", ALL_RIGHTS);
    let service = Served::start(&home, &token);
    home.write("home/policy.toml", LAX);
    let tools = catalogue(&home, "home", DECLARES);
    home.write_secret("home/clients.toml", "[[client]]\nname = \"mallory\"\n");
    home.write("home/pins.json", "no pins");
    home.write_secret("home/approvers.json", "nobody");
    home.run(["authorize", "--action", DENY]).exits(10);
    let body = json!({ "action": crate::action::read(&home, DENY) });
    assert_eq!(service.post("/v1/authorize", &body).body["decision"], "deny");
    assert_eq!(in_force(&home).0, "starter");
    assert_eq!(names(&home), ["all"]);
    home.run(["pins", "list"]).exits(0);
    assert_eq!(invited(&home), 0);
    let ran = home.run(["doctor"]).exits(0);
    for file in [
        "policy.toml",
        "tools.toml",
        "clients.toml",
        "pins.json",
        "approvers.json",
    ] {
        assert!(
            ran.stdout.contains(&format!("{file} is not used, and differs")),
            "{file}: {ran:?}"
        );
    }
    // What is brought into force is the same from then on.
    home.run(["policy", "put", "--tools", &tools]).exits(0);
    let ran = home.run(["doctor"]).exits(0);
    for file in ["policy.toml", "tools.toml", "schemas/put.json"] {
        assert!(
            ran.stdout
                .contains(&format!("{file} is not used, and says what the database does")),
            "{ran:?}"
        );
    }
    // The service goes by it at once, as soon as it is asked.
    assert_eq!(service.post("/v1/authorize", &body).body["decision"], "allow");
}

#[test]
fn a_put_that_is_refused_changes_nothing() {
    let (home, name) = home();
    let before = in_force(&home);
    home.write(
        "broken.toml",
        "schema = \"actionpass.policy.v1\"\nid = \"b\"\n[[rule]]\neffect = \"maybe\"\n",
    );
    let refused = home.run(["policy", "put", "broken.toml"]);
    assert_ne!(refused.exit, 0);
    assert!(refused.stdout.contains("broken.toml:"), "{refused:?}");
    home.run(["policy", "put", "missing.toml"]).fails(2, "file_unreadable");
    // The folder has none.
    home.run(["policy", "put"]).fails(2, "file_unreadable");
    let (declares, lacks) = (catalogue(&home, "declares", DECLARES), catalogue(&home, "lacks", LACKS));
    home.write("rule.toml", RULE);
    home.run(["policy", "put", "rule.toml", "--tools", &lacks])
        .fails(31, "policy_path_undeclared");
    std::fs::remove_file(home.path("lacks/schemas/put.json")).unwrap();
    home.run(["tools", "put", &lacks]).fails(31, "tools_schema_file");
    assert_eq!(in_force(&home), before);
    assert_eq!(recorded(&home), before.2);

    // A rule and the schema that it looks at come into force together; neither goes without the other.
    home.run(["policy", "put", "rule.toml", "--tools", &declares]).exits(0);
    let lacks = catalogue(&home, "lacks", LACKS);
    home.run(["tools", "put", &lacks]).fails(31, "policy_path_undeclared");
    assert_eq!(in_force(&home).0, "notes");

    // What can't be read in the database grants nothing, with the codes of files.
    let sql = |script: &str| server().sql(&name, script);
    let kept = |name: &str, text: &str| {
        sql(&format!(
            "INSERT INTO actionpass.document VALUES ('{name}', 99, sha256('{text}'), '{text}')
             ON CONFLICT (name) DO UPDATE SET version = 99, digest = sha256('{text}'), bytes = '{text}'"
        ))
    };
    kept("clients.toml", "[[client]]");
    let refused = home.run(["clients", "list"]).fails(31, "clients_invalid");
    assert!(refused.stdout.contains("#clients.toml:"), "{refused:?}");
    kept("pins.json", "{}");
    home.run(["pins", "list"]).fails(31, "pins_invalid");
    kept("approvers.json", "{}");
    home.run(["approvers", "list"]).fails(31, "approvers_invalid");
    kept("policy", "{}");
    home.run(["authorize", "--action", ALLOW]).fails(40, "store_corrupt");
    sql("UPDATE actionpass.document SET bytes = '' WHERE name = 'policy'");
    home.run(["authorize", "--action", ALLOW]).fails(40, "store_corrupt");
    sql("DELETE FROM actionpass.document WHERE name = 'policy'");
    let refused = home.run(["authorize", "--action", ALLOW]).fails(2, "file_unreadable");
    assert!(refused.stdout.contains("#policy.toml"), "{refused:?}");
    home.run(["policy", "put", "rule.toml", "--tools", &declares]).exits(0);
    home.run(["authorize", "--action", ALLOW]).exits(10);
}

#[test]
fn of_changes_at_once_none_is_lost() {
    let (home, _) = home();
    let other = elsewhere(&home);
    let machines = |number: usize| if number.is_multiple_of(2) { &home } else { &other };
    let expected: Vec<String> = (0..8).map(|number| format!("c{number}")).collect();
    let children: Vec<_> = expected
        .iter()
        .enumerate()
        .map(|(number, name)| {
            let home = machines(number);
            let args = ["clients", "add", name, "--may", "authorize", "--json"];
            (home, home.command(args).spawn().unwrap())
        })
        .collect();
    for (home, child) in children {
        home.finish(child).exits(0);
    }
    assert_eq!(names(&other), expected);

    // Of policies that come at once one is in force in the end, and the ledger says which.
    let children: Vec<_> = (0..6)
        .map(|number| {
            let home = machines(number);
            let file = home.write(&format!("{number}.toml"), LAX.replace("lax", &format!("p{number}")));
            (home, home.command(["policy", "put", &file, "--json"]).spawn().unwrap())
        })
        .collect();
    for (home, child) in children {
        home.finish(child).exits(0);
    }
    let (_, version, digest) = in_force(&home);
    assert_eq!(version, json!(7));
    assert_eq!(recorded(&home), digest);
    home.run(["ledger", "verify"]).exits(0);
}

#[test]
fn front_ends_change_no_policy_and_no_client() {
    let server = actionpass_servers::postgres::Postgres::start();
    server.create_database("home");
    let home = Home::none();
    home.run(["init", "--store", &server.url("home")]).exits(0);
    let token = client(&home, "all", ALL_RIGHTS);
    let roles = home.run(["store", "roles"]).exits(0).json();
    server.sql("home", roles["sql"].as_str().unwrap());
    server.sql("home", "CREATE ROLE gate LOGIN; GRANT actionpass_service TO gate");
    let config = home.read("home/config.toml");
    home.write(
        "home/config.toml",
        config.replace(&server.url("home"), &server.url_as("gate", "home")),
    );
    let before = in_force(&home);
    home.write("lax.toml", LAX);
    home.run(["policy", "put", "lax.toml"]).fails(40, "store_read_only");
    home.run(["clients", "add", "mallory", "--may", "authorize"])
        .fails(40, "store_read_only");
    assert_eq!((in_force(&home), names(&home)), (before, vec!["all".to_owned()]));
    // It serves, with what is there, and keeps invitations.
    let service = Served::start(&home, &token);
    let body = json!({ "action": crate::action::read(&home, ALLOW) });
    assert_eq!(service.post("/v1/authorize", &body).body["decision"], "allow");
    invite(&home, "user:maya@example.com").exits(0);
    assert_eq!(invited(&home), 1);
}

/// There and back: the same files, and those that were in the way keep their text under another name.
#[test]
fn files_go_into_a_database_and_back() {
    let home = Home::with_maintainer();
    catalogue(&home, "home", DECLARES);
    client(&home, "ci", "authorize");
    invite(&home, "user:maya@example.com").exits(0);
    let pins = r#"{"schema":"actionpass.pins.v1","servers":[]}"#;
    home.write("home/pins.json", pins);
    let pinned = home.run(["pins", "list"]);
    if pinned.exit != 0 {
        std::fs::remove_file(home.path("home/pins.json")).unwrap();
    }
    home.pass(ALLOW);
    let read = |name: &str| home.read(&format!("home/{name}"));
    let names_of_files = [
        "policy.toml",
        "tools.toml",
        "schemas/put.json",
        "clients.toml",
        "approvers.json",
    ];
    let before = names_of_files.map(read);
    let digest = in_force(&home).2;

    let url = server().url(&database());
    home.run(["store", "copy", "--to", &url]).exits(0);
    assert_eq!(in_force(&home), (json!("starter"), json!(1), digest));
    assert_eq!((names(&home), invited(&home)), (vec!["ci".to_owned()], 1));
    for gone in ["clients.toml", "approvers.json"] {
        assert!(!home.path("home").join(gone).exists(), "{gone}");
    }
    client(&home, "cd", "authorize");
    home.write("lax.toml", LAX);
    home.run(["policy", "put", "lax.toml"]).exits(0);
    assert_eq!(read("policy.toml"), before[0]);

    let back = home.run(["store", "copy", "--to", "files"]).exits(0).json();
    assert_eq!(read("policy.toml"), LAX);
    assert_eq!(
        [read("tools.toml"), read("schemas/put.json")],
        [before[1].clone(), before[2].clone()]
    );
    assert_eq!(
        (names(&home), invited(&home)),
        (vec!["cd".to_owned(), "ci".to_owned()], 1)
    );
    let aside = back["aside"].as_array().unwrap();
    let [aside] = aside.as_slice() else { panic!("{back}") };
    assert_eq!(read(aside.as_str().unwrap()), before[0]);
    home.set_mode("home/clients.toml", 0o600);
    home.run(["doctor"]).exits(0);
    home.run(["authorize", "--action", DENY]).exits(0);
}

/// Tables of the release before had no place for them: they were files of each front end.
#[test]
fn a_migration_takes_over_what_the_folder_has() {
    let (home, name) = home();
    let token = client(&home, "all", ALL_RIGHTS);
    let kept = |name: &str| {
        let hex = server().sql(
            &database_of(&home),
            &format!("SELECT encode(bytes, 'hex') FROM actionpass.document WHERE name = '{name}'"),
        );
        let digits = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(digits).collect::<Vec<u8>>()
    };
    home.write_secret("home/clients.toml", kept("clients.toml"));
    home.write("home/policy.toml", LAX);
    server().sql(
        &name,
        "DROP TABLE actionpass.document, actionpass.page_secret, actionpass.page_sign_in, actionpass.page_session,
             actionpass.page_ballot, actionpass.signed_head;
         ALTER TABLE actionpass.ledger DROP COLUMN first, DROP COLUMN first_hash, DROP COLUMN archived;
         UPDATE actionpass.version SET version = 1",
    );
    home.run(["authorize", "--action", ALLOW]).fails(40, "store_outdated");
    let dry = home.run(["store", "migrate", "--dry-run"]).exits(0).json();
    let files = json!(["policy.toml", "clients.toml"]);
    let pending = dry["pending"].as_u64().unwrap();
    assert_eq!((pending > 0, &dry["files"]), (true, &files));
    home.run(["policy", "show"]).fails(40, "store_outdated");
    let done = home.run(["store", "migrate"]).exits(0).json();
    assert_eq!(
        (&done["applied"], &done["files"], &done["takesOver"]),
        (&json!(1 + pending), &files, &json!(false))
    );
    assert_eq!(
        (in_force(&home).0, names(&home)),
        (json!("lax"), vec!["all".to_owned()])
    );
    let other = elsewhere(&home);
    let service = Served::start(&other, &token);
    let body = json!({ "action": crate::action::read(&home, DENY) });
    assert_eq!(service.post("/v1/authorize", &body).body["decision"], "allow");
    let again = home.run(["store", "migrate"]).exits(0).json();
    assert_eq!((&again["files"], &again["pending"]), (&json!([]), &json!(0)));
}

fn database_of(home: &Home) -> String {
    let config = home.read("home/config.toml");
    let url = config.lines().find(|line| line.contains("postgres://")).unwrap();
    let end = url.rsplit('/').next().unwrap();
    end.split(['"', '?']).next().unwrap().to_owned()
}

/// A service that saw a later version goes by no earlier one: somebody who was removed stays out.
#[test]
fn a_service_goes_by_no_version_that_went_back() {
    let (home, name) = home();
    let (token, removed) = (client(&home, "all", ALL_RIGHTS), client(&home, "removed", ALL_RIGHTS));
    let before = server().sql(
        &name,
        "SELECT encode(bytes, 'hex') FROM actionpass.document WHERE name = 'clients.toml'",
    );
    let service = Served::start(&home, &removed);
    let body = json!({ "action": crate::action::read(&home, ALLOW) });
    assert_eq!(service.post("/v1/authorize", &body).status, 200);
    home.run(["clients", "remove", "removed"]).exits(0);
    until("the client is out", || {
        service.post("/v1/authorize", &body).status == 403
    });
    let put_back = format!(
        "UPDATE actionpass.document SET version = 2, bytes = decode('{before}', 'hex'), digest = sha256(decode('{before}', 'hex'))
         WHERE name = 'clients.toml'"
    );
    server().sql(&name, &put_back);
    until("nobody is answered", || {
        service.post("/v1/authorize", &body).status == 503
    });
    // One that starts now knows of no later one.
    let other = elsewhere(&home);
    let other = Served::start(&other, &token);
    let answer = other.post("/v1/authorize", &body);
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// `protect` writes servers into the catalogue of the home, and not into a file that nobody goes by.
#[test]
fn a_catalogue_in_a_database_is_not_extended_in_the_folder() {
    let (mut home, _) = home();
    let folder = home.path("user").display().to_string();
    home.set_environment(vec![("HOME".to_owned(), folder)]);
    std::fs::create_dir_all(home.path("user/.claude")).unwrap();
    let settings = r#"{"mcpServers":{"notes":{"command":"npx","args":["-y","notes"]}}}"#;
    home.write("user/.claude.json", settings);
    let before = in_force(&home);
    let refused = home
        .run(["protect", "--yes", "--owner", "user:maya@example.com"])
        .fails(2, "usage_invalid");
    assert!(refused.stdout.contains("is in its database"), "{refused:?}");
    assert_eq!(
        (in_force(&home), home.read("user/.claude.json")),
        (before, settings.to_owned())
    );
    assert!(!home.path("home/tools.toml").exists());
}
