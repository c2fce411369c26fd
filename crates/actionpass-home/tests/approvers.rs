//! How a passkey gets into the trust store: invited, registered, waiting, confirmed; and everything that it doesn't.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

use std::time::Duration;

use actionpass_crypto::webauthn::Registration;
use actionpass_custody::NoSecrets;
use actionpass_home::{
    Approvers, Home, HomeError, INVITATION_HOLDS, InvitationSecret, NewHome, NewInvitation, OpenHome, PASSKEY_WAITS,
    WaitingPasskey,
};
use actionpass_model::{
    Approver, Document, Issuer, KeyBody, KeyEvent, Record, RecordKind, SignatureForm, Tenants, Timestamp, TrustKey,
    TrustStore,
};
use actionpass_testkit::fixtures::{self, FixtureKey};
use actionpass_testkit::{Authenticator, Fault};
use pollster::block_on;
use tempfile::TempDir;

struct Bed {
    _folder: TempDir,
    opened: OpenHome,
}

impl Bed {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let root = folder.path().join("home");
        let new = NewHome::new(
            Issuer::parse("https://issuer.example").unwrap(),
            vec![fixtures::tenant()],
        );
        block_on(new.create(&root, &NoSecrets)).unwrap();
        let opened = OpenHome::open(Home::open(&root).unwrap()).unwrap();
        Self {
            _folder: folder,
            opened,
        }
    }

    fn approvers(&self) -> Approvers<'_> {
        Approvers::of(&self.opened.home)
    }

    fn trust(&self) -> TrustStore {
        self.opened.home.trust_snapshot().unwrap().document
    }

    fn invite(&self, principal: &Approver, byte: u8) -> InvitationSecret {
        let secret = InvitationSecret::from_random(&[byte; 32]);
        let invitation = NewInvitation {
            principal: principal.clone(),
            roles: vec![fixtures::maintainer()],
            tenants: Tenants::Only(vec![fixtures::tenant()]),
            party: Authenticator::new().relying_party(),
        };
        self.approvers().invite(invitation, &secret, fixtures::now()).unwrap();
        secret
    }

    fn register(&self, secret: &InvitationSecret, registration: &Registration) -> Result<WaitingPasskey, String> {
        self.register_at(secret, registration, fixtures::now())
    }

    fn register_at(
        &self,
        secret: &InvitationSecret,
        registration: &Registration,
        now: Timestamp,
    ) -> Result<WaitingPasskey, String> {
        let registered = self.approvers().register(secret, registration, &self.trust(), now);
        registered.map_err(code)
    }

    fn confirm_at(&self, principal: &Approver, code: &str, now: Timestamp) -> Result<TrustKey, String> {
        let administrator = self.opened.administrator();
        let confirmed = block_on(self.approvers().confirm(&administrator, principal, code, now));
        confirmed.map(|(key, _)| key).map_err(self::code)
    }

    fn confirm(&self, principal: &Approver, code: &str) -> Result<TrustKey, String> {
        self.confirm_at(principal, code, fixtures::now())
    }
}

fn code(error: HomeError) -> String {
    error.code().to_string()
}

fn registration(passkey: &Authenticator, secret: &InvitationSecret) -> Registration {
    passkey.register(&secret.challenge())
}

fn later(by: Duration) -> Timestamp {
    fixtures::now().saturating_add(by)
}

#[test]
fn a_passkey_waits_until_somebody_confirms_it() {
    let (bed, passkey, maya) = (Bed::new(), Authenticator::new(), fixtures::approver());
    let before = bed.trust();
    let secret = bed.invite(&maya, 1);
    let waiting = bed.register(&secret, &registration(&passkey, &secret)).unwrap();
    assert_eq!(bed.trust(), before, "nothing is believed by registering");
    assert!(passkey.key().kid().as_str().starts_with(waiting.code()));
    assert_eq!(waiting.code().len(), 8);

    let key = bed.confirm(&maya, waiting.code()).unwrap();
    let expected = passkey
        .trust_key(maya.clone(), vec![fixtures::maintainer()])
        .with_tenants(Tenants::Only(vec![fixtures::tenant()]));
    assert_eq!((&key, key.form()), (&expected, SignatureForm::WebAuthn));
    assert_eq!(bed.trust().key(&key.kid), Some(&expected));
    assert_eq!(bed.approvers().pending(fixtures::now()).unwrap(), (vec![], vec![]));
    assert_eq!(bed.confirm(&maya, waiting.code()).unwrap_err(), "passkey_not_waiting");

    let administrator = bed.opened.administrator();
    let records = block_on(administrator.ledger().read(0, 100)).unwrap();
    let last = Record::from_json(&records.last().unwrap().json).unwrap();
    assert_eq!(last.kind, RecordKind::Key);
    let body: KeyBody = serde_json::from_value(serde_json::to_value(&last.body).unwrap()).unwrap();
    assert_eq!((body.event, &body.kid), (KeyEvent::Added, &key.kid));
    assert_eq!(body.owner.unwrap().as_str(), maya.as_str());
    assert_eq!((body.roles, body.tenants), (Some(key.roles), Some(key.tenants)));
}

#[test]
fn an_invitation_serves_once_and_for_an_hour() {
    let (bed, maya) = (Bed::new(), fixtures::approver());
    let (one, other) = (
        Authenticator::new(),
        Authenticator::new().with_key(FixtureKey::STRANGER, b"other"),
    );
    let secret = bed.invite(&maya, 1);
    bed.register(&secret, &registration(&one, &secret)).unwrap();
    assert_eq!(
        bed.register(&secret, &registration(&other, &secret)).unwrap_err(),
        "invitation_unknown"
    );

    let secret = bed.invite(&maya, 2);
    let made = registration(&other, &secret);
    let over = bed.register_at(&secret, &made, later(INVITATION_HOLDS));
    assert_eq!(over.unwrap_err(), "invitation_unknown");
    let never = InvitationSecret::from_random(&[3; 32]);
    assert_eq!(
        bed.register(&never, &registration(&other, &never)).unwrap_err(),
        "invitation_unknown"
    );
    assert!(bed.register(&secret, &made).is_ok());
}

#[test]
fn what_is_refused_leaves_the_invitation() {
    let (bed, maya, passkey) = (Bed::new(), fixtures::approver(), Authenticator::new());
    let secret = bed.invite(&maya, 1);
    for fault in [
        Fault::Challenge,
        Fault::Origin,
        Fault::UserNotVerified,
        Fault::ParentRpId,
    ] {
        let bad = registration(&passkey.clone().with(fault), &secret);
        assert_eq!(bed.register(&secret, &bad).unwrap_err(), fault.code());
    }
    // A registration for another invitation, or one whose challenge somebody chose.
    let other = bed.invite(&fixtures::second_approver(), 2);
    let foreign = registration(&passkey, &other);
    assert_eq!(
        bed.register(&secret, &foreign).unwrap_err(),
        "webauthn_challenge_mismatch"
    );
    assert!(bed.register(&secret, &registration(&passkey, &secret)).is_ok());
}

#[test]
fn key_and_id_are_new_under_any_principal() {
    let (bed, maya, other) = (Bed::new(), fixtures::approver(), fixtures::second_approver());
    let secret = bed.invite(&maya, 1);
    let passkey = Authenticator::new();
    let waiting = bed.register(&secret, &registration(&passkey, &secret)).unwrap();
    let again = bed.invite(&other, 2);
    let refused = |passkey: &Authenticator| bed.register(&again, &registration(passkey, &again)).unwrap_err();
    let same_id = Authenticator::new().with_key(FixtureKey::STRANGER, b"a passkey of the fixtures");
    let same_key = Authenticator::new().with_key(FixtureKey::PASSKEY, b"another id");
    // While it waits, and when it is believed.
    for _ in 0..2 {
        for known in [&passkey, &same_id, &same_key] {
            assert_eq!(refused(known), "passkey_known");
        }
        bed.confirm(&maya, waiting.code()).ok();
    }
    let new = Authenticator::new().with_key(FixtureKey::STRANGER, b"another id");
    assert!(bed.register(&again, &registration(&new, &again)).is_ok());
}

#[test]
fn only_its_owners_code_confirms_and_only_for_a_week() {
    let (bed, maya, other) = (Bed::new(), fixtures::approver(), fixtures::second_approver());
    let secret = bed.invite(&maya, 1);
    let waiting = bed
        .register(&secret, &registration(&Authenticator::new(), &secret))
        .unwrap();
    for (principal, code) in [
        (&other, waiting.code()),
        (&maya, ""),
        (&maya, &waiting.code()[..7]),
        (&maya, waiting.key.kid.as_str()),
        (&maya, "AAAAAAAA"),
    ] {
        assert_eq!(
            bed.confirm(principal, code).unwrap_err(),
            "passkey_not_waiting",
            "{principal} {code}"
        );
    }
    let late = bed.confirm_at(&maya, waiting.code(), later(PASSKEY_WAITS));
    assert_eq!(late.unwrap_err(), "passkey_not_waiting");
    assert_eq!(bed.approvers().forget(&other, fixtures::now()).unwrap(), 0);
    assert_eq!(bed.approvers().forget(&maya, fixtures::now()).unwrap(), 1);
    assert_eq!(bed.confirm(&maya, waiting.code()).unwrap_err(), "passkey_not_waiting");
}

#[test]
fn a_code_of_two_passkeys_confirms_neither() {
    let (bed, maya) = (Bed::new(), fixtures::approver());
    let secret = bed.invite(&maya, 1);
    let made = registration(&Authenticator::new(), &secret);
    let waiting = bed.register(&secret, &made).unwrap();
    let path = bed.opened.home.path("approvers.json");
    let mut document: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let entries = document["waiting"].as_array_mut().unwrap();
    let mut other = entries[0].clone();
    other["key"]["webauthn"]["credentialId"] = "AAAA".into();
    entries.push(other);
    std::fs::write(&path, document.to_string()).unwrap();
    assert_eq!(bed.approvers().pending(fixtures::now()).unwrap().1.len(), 2);
    assert_eq!(bed.confirm(&maya, waiting.code()).unwrap_err(), "passkey_not_waiting");
}

#[test]
fn the_file_is_private_and_holds_no_secret() {
    use std::os::unix::fs::PermissionsExt as _;
    let bed = Bed::new();
    let secret = bed.invite(&fixtures::approver(), 7);
    assert_eq!(InvitationSecret::parse(secret.as_str()), Some(secret.clone()));
    assert_eq!(InvitationSecret::parse("07"), None);
    let path = bed.opened.home.path("approvers.json");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains(secret.as_str()) && !format!("{secret:?}").contains("07"));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(
        code(bed.approvers().pending(fixtures::now()).unwrap_err()),
        "key_file_permissions"
    );
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    for bad in [
        "",
        "[]",
        "{}",
        &text.replace(".v1", ".v2"),
        &text.replacen('{', r#"{"x":1,"#, 1),
    ] {
        std::fs::write(&path, bad).unwrap();
        assert_eq!(
            code(bed.approvers().pending(fixtures::now()).unwrap_err()),
            "approvers_invalid",
            "{bad}"
        );
    }
}
