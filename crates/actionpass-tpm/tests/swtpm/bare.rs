//! The TPM without the custodian: what others do to it.

use actionpass_servers::swtpm::SwTpm;
use tss_esapi::attributes::ObjectAttributesBuilder;
use tss_esapi::constants::PropertyTag;
use tss_esapi::handles::{AuthHandle, PersistentTpmHandle};
use tss_esapi::interface_types::algorithm::{HashingAlgorithm, PublicAlgorithm};
use tss_esapi::interface_types::dynamic_handles::Persistent;
use tss_esapi::interface_types::ecc::EccCurve;
use tss_esapi::interface_types::key_bits::RsaKeyBits;
use tss_esapi::interface_types::resource_handles::{Hierarchy, Provision};
use tss_esapi::interface_types::session_handles::AuthSession;
use tss_esapi::structures::{
    Auth, Digest, EccPoint, EccScheme, HashScheme, KeyDerivationFunctionScheme, Public, PublicBuilder,
    PublicEccParameters, PublicKeyRsa, PublicRsaParameters, RsaExponent, RsaScheme, SymmetricDefinitionObject,
};
use tss_esapi::{Context, TctiNameConf};

pub(crate) struct Bare {
    context: Context,
}

/// A kind of key that somebody made with other tools.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// As `tpm2_create` makes them: a scheme, and protection against guessing.
    Plain,
    /// Its scheme is chosen at each signature.
    NoScheme,
    /// P-384 without a scheme.
    NoSchemeP384,
    /// Has the auth value [`AUTH`], without protection against guessing.
    Guessable,
    Restricted,
    /// For key agreement.
    Decrypts,
    /// Wants a policy session.
    Policy,
    /// P-256 with SHA-384.
    OtherHash,
    Schnorr,
    P521,
    Rsa,
}

/// What becomes of each: its code, or nothing if it signs.
pub(crate) const KINDS: &[(Kind, Option<&str>)] = &[
    (Kind::Plain, None),
    (Kind::NoScheme, None),
    (Kind::NoSchemeP384, None),
    (Kind::Restricted, Some("custodian_refused")),
    (Kind::Decrypts, Some("custodian_refused")),
    (Kind::Policy, Some("custodian_refused")),
    (Kind::OtherHash, Some("custodian_refused")),
    (Kind::Schnorr, Some("custodian_refused")),
    (Kind::P521, Some("key_unsupported")),
    (Kind::Rsa, Some("key_unsupported")),
];

pub(crate) const AUTH: &str = "open sesame";

impl Bare {
    pub(crate) fn new(server: &SwTpm) -> Self {
        let tcti: TctiNameConf = server.tcti().parse().unwrap();
        Self {
            context: Context::new(tcti).unwrap(),
        }
    }

    pub(crate) fn make(&mut self, kind: Kind, handle: u32) {
        let auth = match kind {
            Kind::Guessable => AUTH,
            _ => "",
        };
        let place = persistent(handle);
        self.context
            .execute_with_session(Some(AuthSession::Password), |context| {
                let auth = Auth::try_from(auth.as_bytes()).unwrap();
                let made = context.create_primary(Hierarchy::Owner, template(kind), Some(auth), None, None, None)?;
                context.evict_control(Provision::Owner, made.key_handle.into(), place)?;
                context.flush_context(made.key_handle.into())
            })
            .unwrap_or_else(|error| panic!("{kind:?}: {error}"));
    }

    pub(crate) fn evict(&mut self, handle: u32) {
        let found = PersistentTpmHandle::new(handle).unwrap();
        let key = self.context.tr_from_tpm_public(found.into()).unwrap();
        self.context
            .execute_with_session(Some(AuthSession::Password), |context| {
                context.evict_control(Provision::Owner, key, persistent(handle))
            })
            .unwrap();
    }

    /// How many keys could be loaded at once.
    pub(crate) fn free_slots(&mut self) -> u32 {
        self.context
            .get_tpm_property(PropertyTag::HrTransientAvail)
            .unwrap()
            .unwrap()
    }

    pub(crate) fn set_owner_auth(&mut self, auth: &str) {
        let auth = Auth::try_from(auth.as_bytes()).unwrap();
        self.context
            .execute_with_session(Some(AuthSession::Password), |context| {
                context.hierarchy_change_auth(AuthHandle::Owner, auth)
            })
            .unwrap();
    }
}

fn persistent(handle: u32) -> Persistent {
    Persistent::from(PersistentTpmHandle::new(handle).unwrap())
}

fn template(kind: Kind) -> Public {
    let attributes = ObjectAttributesBuilder::new()
        .with_fixed_tpm(true)
        .with_fixed_parent(true)
        .with_sensitive_data_origin(true)
        .with_user_with_auth(kind != Kind::Policy)
        .with_no_da(kind == Kind::Guessable)
        .with_restricted(kind == Kind::Restricted)
        .with_decrypt(kind == Kind::Decrypts)
        .with_sign_encrypt(kind != Kind::Decrypts)
        .build()
        .unwrap();
    let builder = PublicBuilder::new()
        .with_name_hashing_algorithm(HashingAlgorithm::Sha256)
        .with_object_attributes(attributes);
    let sha256 = HashScheme::new(HashingAlgorithm::Sha256);
    let sha384 = HashScheme::new(HashingAlgorithm::Sha384);
    let (curve, scheme) = match kind {
        Kind::NoScheme => (EccCurve::NistP256, EccScheme::Null),
        Kind::NoSchemeP384 => (EccCurve::NistP384, EccScheme::Null),
        Kind::Decrypts => (EccCurve::NistP256, EccScheme::EcDh(sha256)),
        Kind::OtherHash => (EccCurve::NistP256, EccScheme::EcDsa(sha384)),
        Kind::Schnorr => (EccCurve::NistP256, EccScheme::EcSchnorr(sha256)),
        Kind::P521 => (EccCurve::NistP521, EccScheme::EcDsa(sha256)),
        Kind::Rsa => {
            let parameters = PublicRsaParameters::new(
                SymmetricDefinitionObject::Null,
                RsaScheme::RsaSsa(sha256),
                RsaKeyBits::Rsa2048,
                RsaExponent::default(),
            );
            return builder
                .with_public_algorithm(PublicAlgorithm::Rsa)
                .with_rsa_parameters(parameters)
                .with_rsa_unique_identifier(PublicKeyRsa::default())
                .build()
                .unwrap();
        }
        _ => (EccCurve::NistP256, EccScheme::EcDsa(sha256)),
    };
    let parameters = PublicEccParameters::new(
        SymmetricDefinitionObject::Null,
        scheme,
        curve,
        KeyDerivationFunctionScheme::Null,
    );
    let policy = match kind {
        Kind::Policy => Digest::try_from([1_u8; 32].as_slice()).unwrap(),
        _ => Digest::default(),
    };
    builder
        .with_public_algorithm(PublicAlgorithm::Ecc)
        .with_auth_policy(policy)
        .with_ecc_parameters(parameters)
        .with_ecc_unique_identifier(EccPoint::default())
        .build()
        .unwrap()
}
