//! Homes whose decisions, ledger, used passes and trust store are in a PostgreSQL database.

use std::fs;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use actionpass_servers::postgres::Postgres;
use serde_json::{Value, json};

use crate::action::{self, ALLOW, DENY, STEP_UP};
use crate::home::{Home, ISSUER, MAINTAINER, key_file};
use crate::served::{ALL_RIGHTS, Served, client};
use crate::support::until;

/// The one server of all these tests.
pub(crate) fn server() -> &'static Postgres {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    SERVER.get_or_init(Postgres::start)
}

/// A new database of it.
pub(crate) fn database() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = format!("home_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    server().create_database(&name);
    name
}

/// A home in a new database; gives its name too.
pub(crate) fn home() -> (Home, String) {
    let (home, database) = (Home::none(), database());
    home.run(["init", "--issuer", ISSUER, "--store", &server().url(&database)])
        .exits(0);
    (home, database)
}

/// Allows what the starter policy denies.
pub(crate) const LAX: &str = r#"schema = "actionpass.policy.v1"
id = "lax"
[[rule]]
id = "all"
effect = "allow"
tool = "*"
resource = "repo:company/*"
"#;

/// Brings the key that signs now to another machine of this home, as somebody does whose key is a file.
pub(crate) fn copy_key(home: &Home, other: &Home) {
    let copied = Command::new("cp")
        .args(["-a", "--"])
        .args([
            home.path("home/config.toml"),
            home.path("home/keys"),
            other.path("home"),
        ])
        .status();
    assert!(copied.unwrap().success());
}

/// The same home on another machine: its folder, without what only that machine saw.
pub(crate) fn elsewhere(home: &Home) -> Home {
    let other = Home::none();
    let copied = Command::new("cp")
        .args(["-a", "--"])
        .args([home.path("home"), other.path("home")])
        .status();
    assert!(copied.unwrap().success());
    for file in fs::read_dir(home.path("")).unwrap().flatten() {
        if file.file_type().unwrap().is_file() {
            fs::copy(file.path(), other.path(file.file_name().to_str().unwrap())).unwrap();
        }
    }
    fs::remove_file(other.path("home/ledger.witness")).unwrap();
    other
}

pub(crate) fn consume(home: &Home, pass: &str, action: &str) -> crate::home::Ran {
    home.run(["verify", "--token", pass, "--action", action, "--consume"])
}

#[test]
fn a_home_in_a_database_works_as_any_other() {
    let (home, _) = home();
    for file in ["ledger.db", "trust.json", "policy.toml"] {
        assert!(!home.path("home").join(file).exists(), "{file}");
    }
    home.run(["authorize", "--action", DENY]).exits(10);
    let pass = home.pass(ALLOW);
    home.verify(&pass, ALLOW).exits(0);
    consume(&home, &pass, ALLOW).exits(0);
    consume(&home, &pass, ALLOW).refuses(24, &["already_used"]);

    home.approver(MAINTAINER, &["maintainer"]).exits(0);
    let waiting = home.run(["authorize", "--action", STEP_UP]).exits(11).json();
    let id = waiting["request"]["id"].as_str().unwrap();
    let who = [
        "--key",
        &key_file(MAINTAINER),
        "--as",
        MAINTAINER,
        "--reason",
        "read it",
        "--yes",
    ];
    home.run([&["requests", "approve", id], &who[..]].concat()).exits(0);
    let approved = home.pass(STEP_UP);
    let approval = home.approve(STEP_UP);
    let again = home
        .run(["authorize", "--action", STEP_UP, "--approval", &approval])
        .exits(0);
    let again = home.write_pass(&again);
    home.run(["authorize", "--action", STEP_UP, "--approval", &approval])
        .exits(11);

    let id = approved.strip_suffix(".jwt").unwrap();
    home.run(["revoke", "pass", id, "--reason", "no longer needed"])
        .exits(0);
    consume(&home, &approved, STEP_UP).refuses(23, &["pass_revoked"]);
    home.run(["keys", "rotate"]).exits(0);
    consume(&home, &again, STEP_UP).exits(0);
    home.pass(ALLOW);

    let kinds: Vec<String> = home
        .records()
        .iter()
        .map(|record| record["kind"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds.iter().filter(|kind| *kind == "use").count(), 2, "{kinds:?}");
    assert!(kinds.iter().any(|kind| kind == "revocation"), "{kinds:?}");
    home.run(["doctor"]).exits(0);
    home.run(["store", "check"]).exits(0);
}

/// G6: of front ends on several machines one uses a pass up.
#[test]
fn g06_of_8_processes_on_two_machines_one_consumes_a_pass() {
    let (home, _) = home();
    let pass = home.pass(ALLOW);
    let other = elsewhere(&home);
    let args = || {
        vec![
            "verify",
            "--token",
            pass.as_str(),
            "--action",
            ALLOW,
            "--consume",
            "--json",
        ]
    };
    let children: Vec<_> = (0..8)
        .map(|number| {
            let home = if number % 2 == 0 { &home } else { &other };
            (home, home.command(args()).spawn().unwrap())
        })
        .collect();
    let exits: Vec<i32> = children
        .into_iter()
        .map(|(home, child)| home.finish(child).exit)
        .collect();
    assert_eq!(exits.iter().filter(|exit| **exit == 0).count(), 1, "{exits:?}");
    assert_eq!(exits.iter().filter(|exit| **exit == 24).count(), 7, "{exits:?}");
    assert_eq!(home.records().len(), other.records().len());
}

#[test]
fn a_password_is_named_and_shown_nowhere() {
    const SECRET: &str = "s3cret-of-the-database";
    let server = Postgres::start();
    server.create_database("home");
    server.sql(
        "home",
        &format!("CREATE ROLE gate LOGIN PASSWORD '{SECRET}'; ALTER DATABASE home OWNER TO gate"),
    );
    fs::write(
        server.data().join("pg_hba.conf"),
        "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n",
    )
    .unwrap();
    server.sql("home", "SELECT pg_reload_conf()");
    let home = Home::none();
    let url = format!("postgres://gate@127.0.0.1:{}/home", server.port());
    home.write_secret("right", format!("{SECRET}\n"));
    home.write_secret("wrong", "another\n");
    let named = |name: &str| format!("file:{}", home.path(name).display());
    let init = |password: &str| home.run(["init", "--store", &url, "--store-password", password]);
    until("the server asks for passwords", || {
        let refused = init(&named("wrong"));
        refused.exit == 40 && refused.code() == "store_unavailable"
    });
    init(&named("missing")).fails(40, "secret_missing");
    let written = format!("postgres://gate:{SECRET}@127.0.0.1/home");
    let refused = home.run(["init", "--store", &written]).fails(2, "usage_invalid");
    assert!(
        !refused.stdout.contains(SECRET) && !refused.stderr.contains(SECRET),
        "{refused:?}"
    );
    // Nothing that was refused is in the way.
    assert!(!home.path("home").exists());
    init(&named("right")).exits(0);
    home.pass(ALLOW);
    let ran = home.run(["doctor"]).exits(0);
    assert!(!ran.stdout.contains(SECRET));
    assert!(!home.read("home/config.toml").contains(SECRET));
    fs::copy(home.path("wrong"), home.path("right")).unwrap();
    home.run(["authorize", "--action", ALLOW])
        .fails(40, "store_unavailable");
}

#[test]
fn g10_nothing_is_decided_where_commits_would_not_last() {
    let (home, database) = home();
    let ran = home.run(["doctor"]).exits(0);
    assert!(ran.stdout.contains("postgres://"), "{ran:?}");
    server().sql(
        &database,
        &format!("ALTER DATABASE {database} SET synchronous_commit = off"),
    );
    home.run(["authorize", "--action", ALLOW])
        .fails(40, "store_not_durable");
    let ran = home.run(["doctor"]).exits(40);
    assert!(ran.stdout.contains("store_not_durable"), "{ran:?}");
    home.run(["store", "check"]).fails(40, "store_not_durable");
    server().sql(
        &database,
        &format!("ALTER DATABASE {database} RESET synchronous_commit"),
    );
    home.pass(ALLOW);
}

/// A front end with its own role decides and consumes, and changes no trust; an auditor reads.
#[test]
fn roles_may_what_they_are_for() {
    let server = Postgres::start();
    server.create_database("home");
    let home = Home::none();
    home.run(["init", "--store", &server.url("home")]).exits(0);
    let roles = home.run(["store", "roles"]).exits(0).json();
    server.sql("home", roles["sql"].as_str().unwrap());
    let grants = "CREATE ROLE gate LOGIN; GRANT actionpass_front TO gate;
        CREATE ROLE auditor LOGIN; GRANT actionpass_auditor TO auditor";
    server.sql("home", grants);
    let config = home.read("home/config.toml");
    let as_user = |name: &str| {
        let url = (server.url("home"), server.url_as(name, "home"));
        home.write("home/config.toml", config.replace(&url.0, &url.1));
    };
    as_user("gate");
    let pass = home.pass(ALLOW);
    consume(&home, &pass, ALLOW).exits(0);
    let before = home.talk(["trust", "export"]).exits(0).stdout;
    home.run(["revoke", "principal", "agent:rogue", "--reason", "left its lane"])
        .exits(40);
    assert_eq!(home.talk(["trust", "export"]).exits(0).stdout, before);
    home.run(["store", "check"]).exits(0);
    home.run(["authorize", "--action", STEP_UP]).exits(11);
    as_user("auditor");
    home.run(["authorize", "--action", ALLOW]).exits(40);

    // The chain, from the first record or behind a head; whether tables agree with it takes rows that the role may not read.
    let export = home.talk(["ledger", "export"]).exits(0).stdout;
    home.write("trust.json", home.talk(["trust", "export"]).exits(0).stdout);
    let of_export = ["ledger", "verify", "-", "--trust", "trust.json"];
    let verified = home.feed(of_export, export.as_bytes()).exits(0).json();
    let head = verified["head"].as_str().unwrap();
    home.run(["ledger", "verify", "--head", head, "--from", head]).exits(0);
    home.run(["ledger", "verify"]).fails(40, "store_read_only");

    // The grants of the page are what it lacks, all of them read rights, and nothing is written with them.
    let page = fs::read_to_string(crate::program::root().join("docs/howto/run-on-postgres.md")).unwrap();
    let (_, grants) = page.split_once("```sql\n").unwrap();
    let (grants, _) = grants.split_once("```").unwrap();
    let statements: Vec<&str> = grants
        .split_inclusive(';')
        .map(str::trim)
        .filter(|said| !said.is_empty())
        .collect();
    assert!(
        statements.iter().all(|said| said.starts_with("GRANT SELECT ON ")),
        "{grants}"
    );
    let tables: Vec<&str> = grants
        .split_whitespace()
        .filter(|word| word.contains("actionpass."))
        .collect();
    // Each of them is needed.
    for table in &tables {
        server.sql("home", grants);
        home.run(["ledger", "verify"]).exits(0);
        home.run(["store", "check"]).exits(0);
        server.sql(
            "home",
            &format!("REVOKE SELECT ON {} FROM auditor", table.trim_end_matches(',')),
        );
        let refused = home.run(["ledger", "verify"]);
        assert_ne!(refused.exit, 0, "{table}: {refused:?}");
    }
    server.sql("home", grants);
    home.run(["authorize", "--action", ALLOW]).exits(40);
    assert_eq!(home.talk(["ledger", "export"]).exits(0).stdout, export);
}

/// G12: a database that went back is noticed by the witness, and goes on once somebody says so.
#[test]
fn g12_a_database_that_went_back_is_noticed() {
    let (home, database) = home();
    let pass = home.pass(ALLOW);
    let url = server().url(&database);
    let dump = home.path("dump");
    let run = |program: &str, args: &[&str]| {
        let programs = fs::read_dir("/usr/lib/postgresql").unwrap().flatten();
        let path = programs.map(|version| version.path().join("bin").join(program));
        let ran = Command::new(path.max().unwrap()).args(args).output().unwrap();
        assert!(ran.status.success(), "{program}: {ran:?}");
    };
    run("pg_dump", &["--file", dump.to_str().unwrap(), &url]);
    consume(&home, &pass, ALLOW).exits(0);
    server().sql(&database, "DROP SCHEMA actionpass CASCADE");
    run("psql", &["-X", "-q", "--file", dump.to_str().unwrap(), &url]);
    home.run(["authorize", "--action", ALLOW])
        .fails(26, "store_rolled_back");
    consume(&home, &pass, ALLOW).fails(26, "store_rolled_back");
    let ran = home.run(["doctor"]).exits(26);
    assert!(ran.stdout.contains("store_rolled_back"), "{ran:?}");
    home.run(["ledger", "restored"]).exits(0);
    // Whether it was used, nobody knows any more.
    consume(&home, &pass, ALLOW).refuses(26, &["replay_state_lost"]);
    home.run(["doctor"]).exits(0);
}

#[test]
fn nothing_is_revoked_in_a_file_while_the_database_is_away() {
    let server = Postgres::start();
    server.create_database("home");
    let home = Home::none();
    home.run(["init", "--store", &server.url("home")]).exits(0);
    let export = home.talk(["trust", "export"]).exits(0).stdout;
    home.write("home/trust.json", &export);
    let revoke = ["revoke", "principal", "agent:rogue", "--reason", "left its lane"];
    server.kill();
    home.run(revoke).fails(40, "store_unavailable");
    assert_eq!(home.read("home/trust.json"), export);
    server.restart();
    home.run(revoke).exits(0);
    // The file in the home is an export at most, and that it is an old one is said.
    let ran = home.run(["doctor"]).exits(0);
    assert!(ran.stdout.contains("trust.json is not used, and differs"), "{ran:?}");
}

#[test]
fn a_database_takes_over_what_init_wrote() {
    let home = Home::new();
    let config = home.read("home/config.toml");
    let url = server().url(&database());
    home.run(["store", "migrate"]).fails(2, "option_missing");
    home.write("home/config.toml", format!("{config}\n[store]\nurl = \"{url}\"\n"));
    home.run(["authorize", "--action", ALLOW]).fails(40, "store_missing");
    let dry = home.run(["store", "migrate", "--dry-run"]).exits(0).json();
    assert_eq!((&dry["takesOver"], &dry["applied"]), (&json!(true), &json!(0)));
    home.run(["store", "migrate", "--dry-run"]).exits(0);
    let done = home.run(["store", "migrate"]).exits(0).json();
    let record = done["record"]["seq"].as_u64().unwrap();
    let records = home.records();
    assert_eq!(records.len() as u64, record + 1);
    assert_eq!(records.last().unwrap()["kind"], "trust");
    assert!(!home.path("home/ledger.db").exists() && !home.path("home/trust.json").exists());
    home.pass(ALLOW);
    home.run(["doctor"]).exits(0);
    let again = home.run(["store", "migrate"]).exits(0).json();
    assert_eq!((&again["takesOver"], &again["pending"]), (&json!(false), &json!(0)));

    // A home that has decided is copied: its witness goes on.
    let home = Home::new();
    home.pass(ALLOW);
    let config = home.read("home/config.toml");
    let url = server().url(&database());
    home.write("home/config.toml", format!("{config}\n[store]\nurl = \"{url}\"\n"));
    let refused = home.run(["store", "migrate"]).fails(2, "store_exists");
    assert!(refused.stdout.contains("decision"), "{refused:?}");
    assert!(home.path("home/ledger.db").exists());
    home.run(["store", "copy", "--from", "files", "--to", &url]).exits(0);
    home.pass(ALLOW);
    assert_eq!(home.decisions().len(), 2);
}

/// What was there before a move is there behind it: records, uses, approvals, requests and their votes, revocations.
#[test]
fn a_home_moves_into_a_database_and_back() {
    let home = Home::with_maintainer();
    let (used, unused) = (home.pass(ALLOW), home.pass(ALLOW));
    consume(&home, &used, ALLOW).exits(0);
    let approval = home.approve(STEP_UP);
    home.run(["authorize", "--action", STEP_UP, "--approval", &approval])
        .exits(0);
    let waiting = home.run(["authorize", "--action", STEP_UP]).exits(11).json();
    let request = waiting["request"]["id"].as_str().unwrap().to_owned();
    home.run(["revoke", "principal", "agent:rogue", "--reason", "left its lane"])
        .exits(0);
    let export = |home: &Home| home.talk(["ledger", "export"]).exits(0).stdout;
    let before = export(&home);
    let trust = home.talk(["trust", "export"]).exits(0).stdout;

    let url = server().url(&database());
    let there = home.run(["store", "copy", "--to", &url]).exits(0).json();
    assert_eq!(export(&home), before);
    assert_eq!(home.talk(["trust", "export"]).exits(0).stdout, trust);
    for aside in there["aside"].as_array().unwrap() {
        assert!(home.path("home").join(aside.as_str().unwrap()).exists(), "{aside}");
    }
    consume(&home, &used, ALLOW).refuses(24, &["already_used"]);
    home.run(["authorize", "--action", STEP_UP, "--approval", &approval])
        .exits(11);
    let shown = home.run(["requests", "show", &request]).exits(11).json();
    assert_eq!(shown["state"], "pending");
    let who = [
        "--key",
        &key_file(MAINTAINER),
        "--as",
        MAINTAINER,
        "--reason",
        "read it",
        "--yes",
    ];
    home.run([&["requests", "approve", &request], &who[..]].concat())
        .exits(0);
    home.run(["store", "check"]).exits(0);
    home.run(["store", "copy", "--to", &url]).fails(2, "usage_invalid");

    let before = export(&home);
    let back = home.run(["store", "copy", "--to", "files"]).exits(0).json();
    assert_eq!(export(&home), before);
    assert_eq!(back["records"].as_u64().unwrap(), before.lines().count() as u64);
    assert!(!home.read("home/config.toml").contains(&url));
    // The vote that was cast in the database counts here.
    home.pass(STEP_UP);
    consume(&home, &unused, ALLOW).exits(0);
    consume(&home, &used, ALLOW).refuses(24, &["already_used"]);
    home.run(["doctor"]).exits(0);
    // What is in the database is a former state: the witness knows.
    home.run(["store", "copy", "--from", &url, "--to", "files"])
        .fails(26, "store_rolled_back");
    // A database that holds a store isn't overwritten.
    home.run(["store", "copy", "--to", &url]).fails(2, "store_exists");
    home.pass(ALLOW);
}

/// Two services on one database: what one does the other sees.
#[test]
fn two_services_on_one_database_see_each_other() {
    let (home, _) = home();
    home.approver(MAINTAINER, &["maintainer"]).exits(0);
    let token = client(&home, "all", ALL_RIGHTS);
    let other = elsewhere(&home);
    let (one, two) = (Served::start(&home, &token), Served::start(&other, &token));

    let body = |file: &str| json!({ "action": action::read(&home, file) });
    let parked = |file: &str| json!({ "action": action::read(&home, file), "wait": 60 });
    let pending = |home: &Home| {
        let listed = home.run(["requests", "list", "--state", "pending"]).exits(0).json();
        let first = listed["requests"].as_array().unwrap().first().cloned();
        first.map(|request| request["id"].as_str().unwrap().to_owned())
    };
    let waiting = |home: &Home| {
        until("it waits", || pending(home).is_some());
        pending(home).unwrap()
    };

    // A call that waits at one of them goes on when somebody votes on the other machine.
    let answer = std::thread::scope(|scope| {
        let asked = scope.spawn(|| one.post("/v1/authorize", &parked(STEP_UP)));
        let id = waiting(&other);
        let who = [
            "--key",
            &key_file(MAINTAINER),
            "--as",
            MAINTAINER,
            "--reason",
            "read it",
            "--yes",
        ];
        other.run([&["requests", "approve", &id], &who[..]].concat()).exits(0);
        asked.join().unwrap()
    });
    assert_eq!(answer.body["decision"], "allow", "{answer:?}");
    // And when the request is cancelled there.
    let answer = std::thread::scope(|scope| {
        let asked = scope.spawn(|| two.post("/v1/authorize", &parked(STEP_UP)));
        let id = waiting(&home);
        home.run(["requests", "cancel", &id]).exits(0);
        asked.join().unwrap()
    });
    assert_ne!(answer.body["decision"], "allow", "{answer:?}");

    // A key that is superseded signs nothing more anywhere; the new one is where its file is.
    home.run(["keys", "rotate"]).exits(0);
    until("the other sees the rotation", || {
        two.post("/v1/authorize", &body(ALLOW)).status == 503
    });
    copy_key(&home, &other);
    for service in [&one, &two] {
        until("both sign with the new key", || {
            service.post("/v1/authorize", &body(ALLOW)).body["decision"] == "allow"
        });
    }

    home.run(["revoke", "principal", "agent:codex-prod", "--reason", "left its lane"])
        .exits(0);
    for service in [&one, &two] {
        until("both see the revocation", || {
            service.post("/v1/authorize", &body(ALLOW)).body["decision"] != "allow"
        });
    }
    let verified = |home: &Home| home.run(["ledger", "verify"]).exits(0).json()["valid"].clone();
    assert_eq!(
        (verified(&home), verified(&other)),
        (Value::Bool(true), Value::Bool(true))
    );
}

#[test]
fn g11_a_damaged_database_is_looked_at_without_a_change() {
    let (home, database) = home();
    home.run(["authorize", "--action", ALLOW]).exits(0);
    home.run(["authorize", "--action", DENY]).exits(10);
    let whole = home.run(["ledger", "fsck"]).exits(0).json();
    let size = whole["size"].as_u64().unwrap();
    assert_eq!(whole["longest"]["provedBy"], "witness");
    for sql in [
        "UPDATE actionpass.record SET json = replace(json::text, 'org:example', 'org:exemple') WHERE json LIKE '%\"decision\":\"deny\"%'",
        "DELETE FROM actionpass.record WHERE seq = 1",
        "DELETE FROM actionpass.issued",
        "UPDATE actionpass.side SET bytes = 'x' WHERE kind = 0",
    ] {
        let _ = server().sql(&database, sql);
    }
    let before = server().sql(
        &database,
        "SELECT string_agg(json, ',' ORDER BY seq) FROM actionpass.record",
    );
    let said = home.run(["ledger", "fsck"]).exits(30).json();
    let codes: Vec<&str> = said["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| found["code"].as_str().unwrap())
        .collect();
    assert_eq!(
        codes,
        [
            "ledger_records_missing",
            "ledger_hash_mismatch",
            "side_data_changed",
            "store_rows_missing"
        ]
    );
    assert_eq!(said["size"].as_u64(), Some(size));
    let after = server().sql(
        &database,
        "SELECT string_agg(json, ',' ORDER BY seq) FROM actionpass.record",
    );
    assert!(before == after);
    assert!(said["next"].to_string().contains("restore the database"));
}
