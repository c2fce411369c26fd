//! Which key a URI opens, what is refused, and what a new key is like.
#![expect(clippy::unwrap_used, reason = "a test that can not go on fails")]

use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use actionpass_crypto::Algorithm;
use actionpass_crypto::conformance::{block_on, signatures_verify};
use actionpass_custody::conformance::OneAnswer;
use actionpass_custody::{Custodian, CustodianError, KeyUri, NoSecrets, OpenKey};
use actionpass_pkcs11::Pkcs11;
use actionpass_servers::softhsm::{PIN, SoftHsm};

fn knows() -> OneAnswer {
    OneAnswer::new(PIN)
}

/// One test at a time: SoftHSM answers with a general error when a tool of another process lists or writes objects while one
/// is written here.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What other tools made: a key for each case.
fn hsm() -> &'static SoftHsm {
    static HSM: OnceLock<SoftHsm> = OnceLock::new();
    HSM.get_or_init(|| {
        let hsm = SoftHsm::start(&["prod", "twin", "twin"]);
        hsm.make_key("prod", "EC:prime256v1", "pass", "01");
        hsm.make_key("prod", "EC:secp384r1", "long", "02");
        hsm.make_key("prod", "EC:edwards25519", "edwards", "03");
        hsm.make_key("prod", "EC:prime256v1", "double", "04");
        hsm.make_key("prod", "EC:prime256v1", "double", "05");
        hsm.make_key("prod", "rsa:2048", "rsa", "06");
        hsm.make_key("prod", "EC:secp256k1", "bitcoin", "07");
        hsm.make_key("prod", "EC:prime256v1", "half", "08");
        hsm.pkcs11_tool("prod", &["--delete-object", "--type", "pubkey", "--id", "08"]);
        hsm.make_key("prod", "EC:prime256v1", "same id", "09");
        hsm.make_key("prod", "EC:prime256v1", "as the other", "09");
        hsm
    })
}

fn custodian() -> Pkcs11 {
    Pkcs11::new().with_module(hsm().module())
}

fn open(rest: &str) -> Result<OpenKey, CustodianError> {
    custodian().open(&KeyUri::parse(&format!("pkcs11:{rest}")).unwrap(), &knows())
}

fn refusal(rest: &str) -> String {
    open(rest).unwrap_err().code().to_string()
}

#[test]
fn keys_of_other_tools_open_by_label_and_by_id() {
    let _turn = turn();
    for (rest, exact, algorithm) in [
        ("token=prod;object=pass", "pkcs11:token=prod;id=%01", Algorithm::Es256),
        ("id=%01", "pkcs11:token=prod;id=%01", Algorithm::Es256),
        (
            "token=prod;object=long;type=private",
            "pkcs11:token=prod;id=%02",
            Algorithm::Es384,
        ),
        (
            "model=SoftHSM%20v2;object=edwards;manufacturer=SoftHSM%20project;library-manufacturer=SoftHSM",
            "pkcs11:token=prod;model=SoftHSM%20v2;manufacturer=SoftHSM%20project;library-manufacturer=SoftHSM;id=%03",
            Algorithm::Ed25519,
        ),
        (
            "token=prod;object=double;id=%05",
            "pkcs11:token=prod;id=%05",
            Algorithm::Es256,
        ),
    ] {
        // Without a token, the twins fit as well.
        let rest = if rest.contains("token") {
            rest.to_owned()
        } else {
            format!("token=prod;{rest}")
        };
        let key = open(&rest).unwrap();
        assert_eq!(key.uri.as_str(), exact);
        assert_eq!(key.signer.public_key().algorithm(), algorithm);
        block_on(signatures_verify(&*key.signer));
        let again = custodian().open(&key.uri, &knows()).unwrap();
        assert_eq!(
            (again.uri, again.signer.public_key()),
            (key.uri, key.signer.public_key())
        );
    }
}

#[test]
fn exactly_one_key_must_fit() {
    let _turn = turn();
    assert_eq!(refusal("token=prod;object=none"), "custodian_key_missing");
    assert_eq!(refusal("token=prod;object=pass;id=%02"), "custodian_key_missing");
    assert_eq!(refusal("token=elsewhere;object=pass"), "custodian_unavailable");
    assert_eq!(refusal("token=prod;serial=0;object=pass"), "custodian_unavailable");
    assert_eq!(refusal("token=prod;model=Luna;object=pass"), "custodian_unavailable");
    assert_eq!(
        refusal("token=prod;slot-id=4294967295;object=pass"),
        "custodian_unavailable"
    );
    assert_eq!(
        refusal("token=prod;library-version=1;object=pass"),
        "custodian_unavailable"
    );
    assert_eq!(
        refusal("token=prod;slot-manufacturer=x;object=pass"),
        "custodian_unavailable"
    );
    assert_eq!(refusal("token=prod"), "custodian_key_ambiguous");
    assert_eq!(refusal("token=prod;object=double"), "custodian_key_ambiguous");
    assert_eq!(refusal("token=twin;object=pass"), "custodian_key_ambiguous");
    assert_eq!(refusal("object=pass"), "custodian_key_ambiguous");
    // The label is unique, and the id, which would go on naming the key, is not.
    assert_eq!(refusal("token=prod;object=same%20id"), "custodian_key_ambiguous");
}

#[test]
fn keys_that_are_none_of_ours_are_refused() {
    let _turn = turn();
    assert_eq!(refusal("token=prod;object=rsa"), "key_unsupported");
    assert_eq!(refusal("token=prod;object=bitcoin"), "key_unsupported");
    let half = open("token=prod;object=half").unwrap_err();
    assert_eq!(half.code(), "custodian_key_missing");
    assert_eq!(
        half.to_string(),
        "there is no key `pkcs11:token=prod;id=%08;type=public`"
    );
}

#[test]
fn modules_that_are_none_are_unavailable() {
    let _turn = turn();
    assert_eq!(
        refusal("token=prod;object=pass?module-path=/no/such/module.so"),
        "custodian_unavailable"
    );
    let text = hsm().settings();
    assert_eq!(
        refusal(&format!("token=prod;object=pass?module-path={}", text.display())),
        "custodian_unavailable"
    );
    let nowhere = Pkcs11::new().open(&KeyUri::parse("pkcs11:object=pass").unwrap(), &knows());
    assert_eq!(nowhere.unwrap_err().code(), "key_uri_malformed");
}

#[test]
fn the_pin_comes_from_where_the_uri_says() {
    let _turn = turn();
    let open = |name: &str, pin: &str| {
        let file = hsm().pin_file(name, pin);
        let uri = format!("pkcs11:token=prod;object=pass?pin-source=file:{}", file.display());
        (custodian().open(&KeyUri::parse(&uri).unwrap(), &NoSecrets), file)
    };
    let (key, file) = open("right", PIN);
    assert!(key.unwrap().uri.as_str().ends_with("/right"));
    assert_eq!(open("empty", "").0.unwrap_err().code(), "custodian_secret_missing");
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let uri = KeyUri::parse(&format!("pkcs11:token=prod;object=pass?pin-source={}", file.display())).unwrap();
    // Nobody is asked instead.
    let error = custodian().open(&uri, &knows()).unwrap_err();
    assert_eq!(error.code(), "custodian_secret_missing");
    assert!(error.to_string().contains("chmod 600"), "{error}");
    for source in ["/no/such/pin", "env:ACTIONPASS_TEST_NOT_SET"] {
        let uri = KeyUri::parse(&format!("pkcs11:token=prod;object=pass?pin-source={source}")).unwrap();
        assert_eq!(
            custodian().open(&uri, &knows()).unwrap_err().code(),
            "custodian_secret_missing"
        );
    }
    let nobody = custodian().open(&KeyUri::parse("pkcs11:token=prod;object=pass").unwrap(), &NoSecrets);
    assert_eq!(nobody.unwrap_err().code(), "custodian_secret_missing");
}

#[test]
fn new_keys_stay_on_their_token() {
    let _turn = turn();
    for algorithm in Algorithm::ALL {
        let uri = KeyUri::parse(&format!("pkcs11:token=prod;object=new%20{algorithm}")).unwrap();
        let key = custodian().generate(&uri, *algorithm, &knows()).unwrap();
        assert_eq!(key.signer.public_key().algorithm(), *algorithm);
        let id = key.uri.as_str().strip_prefix("pkcs11:token=prod;id=").unwrap();
        assert_eq!(id.len(), 3 * 16, "{id}");
        block_on(signatures_verify(&*key.signer));
        // Its label names it as well.
        assert_eq!(custodian().open(&uri, &knows()).unwrap().uri, key.uri);
        let listed = hsm().pkcs11_tool("prod", &["--list-objects", "--type", "privkey"]);
        let (_, listed) = listed.split_once(&id.replace('%', "").to_lowercase()).unwrap();
        let said = "\n  Usage:      sign\n  Access:     sensitive, always sensitive, never extractable, local\n";
        assert!(listed.starts_with(said), "{listed}");
        let twice = custodian().generate(&uri, *algorithm, &knows());
        assert_eq!(twice.unwrap_err().code(), "custodian_key_exists");
    }
    let other = |rest: &str| custodian().generate(&KeyUri::parse(rest).unwrap(), Algorithm::Es256, &knows());
    assert_eq!(
        other("pkcs11:token=prod;object=fresh;id=%01").unwrap_err().code(),
        "custodian_key_exists"
    );
    assert_eq!(
        other("pkcs11:token=prod;object=half").unwrap_err().code(),
        "custodian_key_exists"
    );
    for bad in [
        "pkcs11:token=prod",
        "pkcs11:token=prod;object=",
        "pkcs11:token=prod;object=a;id=",
    ] {
        assert_eq!(other(bad).unwrap_err().code(), "key_uri_malformed", "{bad}");
    }
    assert_eq!(
        other("pkcs11:token=nowhere;object=a").unwrap_err().code(),
        "custodian_unavailable"
    );
    let own = other("pkcs11:token=prod;object=own;id=%CA%FE").unwrap();
    assert_eq!(own.uri.as_str(), "pkcs11:token=prod;id=%CA%FE");
}

#[test]
fn a_token_with_a_namesake_is_named_by_its_serial_number() {
    let _turn = turn();
    let listed = hsm().list_slots();
    let (_, twin) = listed.split_once("token label        : twin").unwrap();
    let (_, serial) = twin.split_once("serial num         : ").unwrap();
    let serial = serial.split_whitespace().next().unwrap();
    let uri = KeyUri::parse(&format!("pkcs11:serial={serial};object=twin%20key")).unwrap();
    let made = custodian().generate(&uri, Algorithm::Es256, &knows()).unwrap();
    let expected = format!("pkcs11:token=twin;serial={serial};id=%");
    assert!(made.uri.as_str().starts_with(&expected), "{}", made.uri);
    // A URI that names the slot instead gets the serial number into the bargain.
    let (before, _) = listed.split_once(serial).unwrap();
    let (_, slot) = before.rsplit_once("(0x").unwrap();
    let slot = u64::from_str_radix(slot.split(')').next().unwrap(), 16).unwrap();
    let by_slot = open(&format!("slot-id={slot};object=twin%20key")).unwrap();
    assert!(
        by_slot.uri.as_str().contains(&format!("serial={serial}")),
        "{}",
        by_slot.uri
    );
}

/// Runs itself as another process, which has the variables that a user would set, and SoftHSM's own module.
#[test]
fn variables_name_module_and_pin() {
    let _turn = turn();
    let uri = KeyUri::parse("pkcs11:token=prod;object=pass").unwrap();
    if std::env::var_os("ACTIONPASS_PKCS11_MODULE").is_some() {
        let key = Pkcs11::new().open(&uri, &NoSecrets).unwrap();
        block_on(signatures_verify(&*key.signer));
        return;
    }
    // Tokens of its own: SoftHSM is not to be shared while it is written to.
    let hsm = SoftHsm::start(&["prod"]);
    hsm.make_key("prod", "EC:prime256v1", "pass", "01");
    let child = |pin: &str| {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "variables_name_module_and_pin"])
            .env("ACTIONPASS_PKCS11_MODULE", SoftHsm::own_module())
            .env("ACTIONPASS_PKCS11_PIN", pin)
            .env("SOFTHSM2_CONF", hsm.settings())
            .output()
            .unwrap()
    };
    let right = child(PIN);
    assert!(right.status.success(), "{}", String::from_utf8_lossy(&right.stdout));
    let wrong = child("31415926");
    assert!(!wrong.status.success());
    let said = [wrong.stdout, wrong.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("PinIncorrect") && !said.contains("31415926"), "{said}");
}

#[test]
fn keys_are_made_while_others_are_opened() {
    let _turn = turn();
    std::thread::scope(|scope| {
        let making: Vec<_> = (0..2)
            .map(|thread| {
                scope.spawn(move || {
                    for number in 0..20 {
                        let place = format!("pkcs11:token=prod;object=beside-{thread}-{number}");
                        let place = KeyUri::parse(&place).unwrap();
                        let made = custodian().generate(&place, Algorithm::Ed25519, &knows())?;
                        assert_eq!(made.signer.public_key().algorithm(), Algorithm::Ed25519);
                    }
                    Ok::<_, CustodianError>(())
                })
            })
            .collect();
        while !making.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            open("token=prod;object=pass").unwrap();
        }
        for thread in making {
            thread.join().unwrap().unwrap();
        }
    });
}
