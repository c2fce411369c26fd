//! Policies that always, never or by script allow.

use std::fmt;

use actionpass_canon::sha256;
use actionpass_model::{Digest, PolicyId, Reason, Role, RuleId};
use actionpass_policy::grants::{self, Need};
use actionpass_policy::{PolicyEngine, PolicyInput, ReasonCode, Verdict};

/// The rule that the policies of this module name.
#[must_use]
pub fn rule() -> RuleId {
    RuleId::parse("test.rule").expect("it is a rule id")
}

/// Allows everything. It breaks the contract of [`PolicyEngine`] (default deny), so nothing but a test may use it.
#[derive(Debug)]
pub struct DangerouslyAllowAll(Named);

/// Denies everything.
#[derive(Debug)]
pub struct DenyAll(Named);

/// Allows what enough different people approved, and steps up otherwise.
#[derive(Debug)]
pub struct NeedsApprovals {
    named: Named,
    count: usize,
    roles: Vec<Role>,
}

/// Decides as a closure does.
pub struct Scripted<F> {
    named: Named,
    decide: F,
}

#[derive(Debug)]
struct Named {
    id: PolicyId,
    digest: Digest,
}

impl Named {
    fn new(name: &str) -> Self {
        Self {
            id: PolicyId::parse(name).expect("it is a policy id"),
            digest: sha256(name.as_bytes()),
        }
    }
}

impl DangerouslyAllowAll {
    /// Allows everything.
    #[must_use]
    pub fn new() -> Self {
        Self(Named::new("dangerously-allow-all"))
    }
}

impl Default for DangerouslyAllowAll {
    fn default() -> Self {
        Self::new()
    }
}

impl DenyAll {
    /// Denies everything.
    #[must_use]
    pub fn new() -> Self {
        Self(Named::new("deny-all"))
    }
}

impl Default for DenyAll {
    fn default() -> Self {
        Self::new()
    }
}

impl NeedsApprovals {
    /// Needs so many approvals of mode `human`, each of another approver.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self {
            named: Named::new("needs-approvals"),
            count,
            roles: Vec::new(),
        }
    }

    /// Each approver must hold this role.
    #[must_use]
    pub fn with_role(mut self, role: Role) -> Self {
        self.roles.push(role);
        self
    }

    fn decide(&self, input: &PolicyInput<'_>) -> Verdict {
        let id = rule();
        let need = Need::approvals(&id, self.count, &self.roles);
        if need.missing(input) > 0 {
            return Verdict::step_up(
                vec![rule()],
                vec![Reason::new(ReasonCode::ApprovalRequired).with_rule(rule())],
                vec![need.requirement(input)],
            );
        }
        let mut verdict = Verdict::allow(
            vec![rule()],
            vec![Reason::new(ReasonCode::ApprovalSatisfied).with_rule(rule())],
        );
        verdict.relied_on = grants::needed(&[need], input);
        verdict
    }
}

impl<F: Fn(&PolicyInput<'_>) -> Verdict + Send + Sync> Scripted<F> {
    /// Decides as this closure does; `name` becomes its id and makes its digest.
    ///
    /// # Panics
    /// If `name` is no policy id.
    #[must_use]
    pub fn new(name: &str, decide: F) -> Self {
        Self {
            named: Named::new(name),
            decide,
        }
    }
}

impl<F> fmt::Debug for Scripted<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scripted")
            .field("named", &self.named)
            .finish_non_exhaustive()
    }
}

fn allowed() -> Verdict {
    Verdict::allow(
        vec![rule()],
        vec![Reason::new(ReasonCode::RuleAllowed).with_rule(rule())],
    )
}

macro_rules! engine {
    ([$($generic:tt)*] $name:ty, |$self:ident| $named:expr, |$this:ident, $input:ident| $verdict:expr) => {
        impl<$($generic)*> PolicyEngine for $name {
            fn id(&self) -> &PolicyId {
                let $self = self;
                &$named.id
            }

            fn digest(&self) -> Digest {
                let $self = self;
                $named.digest
            }

            fn evaluate(&self, $input: &PolicyInput<'_>) -> Verdict {
                let $this = self;
                $verdict
            }
        }
    };
}
engine!([] DangerouslyAllowAll, |this| this.0, |_this, _input| allowed());
engine!([] DenyAll, |this| this.0, |_this, _input| Verdict::deny_with(ReasonCode::DefaultDeny));
engine!([] NeedsApprovals, |this| this.named, |this, input| this.decide(input));
engine!([F: Fn(&PolicyInput<'_>) -> Verdict + Send + Sync + 'static] Scripted<F>, |this| this.named, |this, input| (this.decide)(input));
