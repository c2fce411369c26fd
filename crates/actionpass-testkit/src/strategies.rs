//! Strategies of proptest: values of every type and document.
//!
//! Valid ones come from [`ids`], [`documents`] and [`json`]; [`nearly_valid`] breaks a valid document in one place and
//! says which code that must yield; [`hostile`] is input of people who mean harm, or of nobody.

pub mod documents;
pub mod hostile;
pub mod ids;
pub mod json;
pub mod nearly_valid;

#[cfg(test)]
mod tests {
    use actionpass_canon::{BoundAction, BoundFacts, Limits, admit};
    use actionpass_model::{
        ApprovalClaims, AssertedApproval, Code, Document, Facts, PassClaims, Record, Revocation, SignedDocument,
        TrustStore,
    };
    use actionpass_store::ledger::ChainVerifier;
    use actionpass_verify::Trust;
    use proptest::prelude::*;

    use super::nearly_valid::NearlyValid;
    use super::{documents, hostile, json, nearly_valid};

    fn reads<D: Document + PartialEq + std::fmt::Debug>(document: &D) {
        let bytes = serde_json::to_vec(document).unwrap();
        assert_eq!(&D::from_json(&bytes).unwrap(), document);
        assert!(admit(&bytes, &Limits::default()).is_ok());
    }

    fn refuses<D: Document>(wrong: &NearlyValid) {
        let code: Option<Code> = D::from_json(&wrong.bytes).err().map(|error| error.code().into());
        assert_eq!(
            code.as_ref(),
            Some(&wrong.code),
            "{}: {}",
            wrong.change,
            String::from_utf8_lossy(&wrong.bytes)
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn valid_documents_are_read(
            facts in documents::facts(),
            asserted in documents::asserted_approvals(),
            revocation in documents::revocations(),
            trust in documents::trust_stores(),
        ) {
            reads::<Facts>(&facts);
            reads::<AssertedApproval>(&asserted);
            reads::<Revocation>(&revocation);
            reads::<TrustStore>(&trust);
            prop_assert!(Trust::parse(&serde_json::to_vec(&trust).unwrap()).is_ok());
        }

        #[test]
        fn valid_actions_are_admitted(action in documents::actions(), demo in documents::demo_actions(), value in json::values()) {
            let bytes = serde_json::to_vec(&action).unwrap();
            prop_assert!(BoundAction::admit(&bytes, &Limits::default()).is_ok());
            prop_assert_eq!(demo.action().capability.tool.as_str(), "github.pull_requests.create");
            prop_assert!(admit(value.to_string().as_bytes(), &Limits::default()).is_ok());
        }

        #[test]
        fn valid_claims_are_written_and_read(pass in documents::pass_claims(), approval in documents::approval_claims()) {
            let written = pass.to_claims().unwrap();
            prop_assert_eq!(PassClaims::from_claims(&written).unwrap(), pass);
            let written = approval.to_claims().unwrap();
            prop_assert_eq!(ApprovalClaims::from_claims(&written).unwrap(), approval);
        }

        #[test]
        fn valid_ledgers_are_whole(records in documents::ledgers(0..5)) {
            let mut verifier = ChainVerifier::new();
            for record in &records {
                prop_assert!(Record::from_json(record.json()).is_ok());
                prop_assert!(verifier.push(record.json()).is_ok());
            }
            prop_assert!(verifier.finish().is_ok());
        }

        #[test]
        fn nearly_valid_documents_have_their_code(
            facts in nearly_valid::facts(),
            asserted in nearly_valid::asserted_approvals(),
            revocation in nearly_valid::revocations(),
            trust in nearly_valid::trust_stores(),
        ) {
            refuses::<Facts>(&facts);
            refuses::<AssertedApproval>(&asserted);
            refuses::<Revocation>(&revocation);
            refuses::<TrustStore>(&trust);
        }

        #[test]
        fn nearly_valid_actions_have_their_code(wrong in nearly_valid::actions()) {
            let code = BoundAction::admit(&wrong.bytes, &Limits::default()).err().map(|error| error.code());
            prop_assert_eq!(code.as_ref(), Some(&wrong.code), "{}: {}", wrong.change, String::from_utf8_lossy(&wrong.bytes));
        }

        #[test]
        fn hostile_input_is_hardly_ever_a_document(bytes in hostile::bytes()) {
            prop_assert!(BoundFacts::admit(&bytes, &Limits::default()).is_err());
        }
    }
}
