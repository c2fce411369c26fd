//! The mutants of `actionpass-cli`: each has the command line say, show or do what it must not.

use super::{COMMAND_LINE, END_TO_END, List, Mutant, Suite};

pub(super) const LIST: List = List {
    name: "cli",
    folder: "crates/actionpass-cli/src",
    packages: &END_TO_END,
    suites: &[Suite::of(&["--bin=actionpass"]), COMMAND_LINE],
    mutants: MUTANTS,
};

const MUTANTS: &[Mutant] = &[
    // What an approver is shown.
    Mutant::new(
        "`approve` folds the payload",
        "commands/approve/asked.rs",
        "to_terminal(render::MAX_COLUMNS, Folds::PayloadOpen)",
        "to_terminal(render::MAX_COLUMNS, Folds::Closed)",
    ),
    Mutant::new(
        "the view that is claimed has no rules",
        "commands/approve.rs",
        "View::of(&action, &self.rules, &facts)?;",
        "View::of(&action, &[], &facts)?;",
    ),
    Mutant::new(
        "hidden characters around an action stay hidden",
        "render.rs",
        "at_spaces: true,\n        };\n        self.lines(&shown.text, margin);",
        "at_spaces: true,\n        };\n        self.lines(value, margin);",
    ),
    Mutant::new(
        "a broken line looks like two",
        "render.rs",
        "            next: VALUE,
",
        "            next: \"             \",
",
    ),
    Mutant::new(
        "what was typed before the question answers it",
        "commands/approve/asked.rs",
        "        terminal.discard_typed().map_err(|_| unanswered())?;
",
        "",
    ),
    Mutant::new(
        "anybody approves with a key of somebody else",
        "commands/approve/known.rs",
        "if key.principal.as_ref() != Some(approver) {",
        "if key.principal.is_none() {",
    ),
    Mutant::new(
        "an override of a rule that the approver's roles don't lift",
        "commands/approve.rs",
        "Worth::Counts(held) => held.iter().any(|role| roles.contains(role)),",
        "Worth::Counts(_) => true,",
    ),
    Mutant::new(
        "the policy of a home speaks for another issuer",
        "commands/approve/known.rs",
        "if config.issuer == *issuer {",
        "if config.issuer == *issuer || !config.tenants.is_empty() {",
    ),
    Mutant::new(
        "an approval without a question",
        "commands/approve/asked.rs",
        "        if !has_terminal() {
            return Err(unanswered());
        }",
        "        if !has_terminal() {
            return Ok(());
        }",
    ),
    Mutant::new(
        "any answer is a yes",
        "commands/approve/asked.rs",
        "matches!(answer.trim(), \"y\" | \"Y\" | \"yes\")",
        "!answer.trim().is_empty()",
    ),
    Mutant::new(
        "shown though nobody saw it",
        "commands/approve.rs",
        "let is_shown = (!context.is_json || !self.yes) && prepared.asked.is_shown();",
        "let is_shown = prepared.asked.is_shown() || self.yes;",
    ),
    Mutant::new(
        "an override of the first rule alone",
        "commands/approve.rs",
        "Approval::policy_override(approver, reason, digest, self.rules.clone())",
        "Approval::policy_override(approver, reason, digest, self.rules.iter().take(1).cloned().collect())",
    ),
    // What a verdict is.
    Mutant::new(
        "`verify` accepts asserted approvals",
        "commands/verify.rs",
        "if config.is_some_and(Config::accepts_asserted) {",
        "if config.is_none_or(|config| !config.tenants.is_empty()) {",
    ),
    Mutant::new(
        "`verify` takes any age of revocations",
        "commands/verify.rs",
        "            verifier = verifier.with_max_revocations_age(age);
",
        "            let _ = age;
",
    ),
    Mutant::new(
        "a refusal exits as another class",
        "commands/verify.rs",
        "            Verdict::Refused(refusal) => {
                let exit = CodeClass::exit_code_of_all(refusal.codes().map(Code::class));",
        "            Verdict::Refused(refusal) => {
                let exit = CodeClass::exit_code_of_all(refusal.codes().map(Code::class)).saturating_sub(1);",
    ),
    Mutant::new(
        "a pass is consumed by a trust store that went back",
        "commands/verify.rs",
        "let read = block_on(opened.administrator().read_trust()).map_err(HomeError::from)?;",
        "let read = block_on(opened.administrator().trust().read())?;",
    ),
    // Calls by their parts, and what is handed back of them.
    Mutant::new(
        "a replay store is made on the way",
        "commands/verify.rs",
        "        match ReplayFile::open(path) {
",
        "        match ReplayFile::create(path, clock::now()?.to_unix_seconds()).or_else(|_| ReplayFile::open(path)) {
",
    ),
    Mutant::new(
        "a verdict that uses nothing up says that it does",
        "commands/verify.rs",
        "matches!(&judged.verdict, Verdict::Valid(_, Use::Consumed | Use::Recorded(_)))",
        "matches!(&judged.verdict, Verdict::Valid(_, _))",
    ),
    Mutant::new(
        "an issuer goes by the default limits",
        "input.rs",
        "            limits: config.map_or_else(Limits::default, Config::limits),
",
        "            limits: config.map_or_else(Limits::default, |_| Limits::default()),
",
    ),
    Mutant::new(
        "`--save-action` writes nothing",
        "call.rs",
        "            fs::write(path, action.document().as_bytes()).map_err(|error| {
",
        "            fs::write(path, []).map_err(|error| {
",
    ),
    // Readers that have left.
    Mutant::new(
        "a pass is issued to nobody",
        "commands/authorize.rs",
        "        output::needs_reader(\"nothing was decided: a pass would reach nobody\")?;
",
        "",
    ),
    Mutant::new(
        "a pass is used up for nobody",
        "commands/verify.rs",
        "        output::needs_reader(\"the pass was not used up: the verdict would reach nobody\")?;
",
        "",
    ),
    Mutant::new(
        "a verdict that nobody hears is a success",
        "output.rs",
        "            Reader::Needed => exit.max(1),
",
        "            Reader::Needed => exit,
",
    ),
    Mutant::new(
        "a deny exits like an allow",
        "exit.rs",
        "Decision::Deny => 10,",
        "Decision::Deny => 0,",
    ),
    // The ledger.
    Mutant::new(
        "`ledger verify` holds the chain alone",
        "commands/ledger.rs",
        "    let mut verifier = LedgerVerifier::new(verifier);
    each_record(issuer",
        "    let mut verifier = verifier;
    each_record(issuer",
    ),
    Mutant::new(
        "`ledger verify` doesn't look at the rows",
        "commands/ledger.rs",
        "if self.from.is_none() {
                    issuer.store",
        "if self.from.is_some() {
                    issuer.store",
    ),
    Mutant::new(
        "`ledger verify` of an export holds the chain alone",
        "commands/ledger.rs",
        "verify_jsonl_with(lines, LedgerVerifier::new(verifier), |json| {",
        "verify_jsonl_with(lines, verifier, |json| {",
    ),
    Mutant::new(
        "`ledger verify` forgets the heads it is told",
        "commands/ledger.rs",
        "            verifier = verifier.with_known_head(not_before(from, head, \"--head\", beginning.is_some())?);
",
        "            let _ = not_before(from, head, \"--head\", beginning.is_some())?;
",
    ),
    Mutant::new(
        "`ledger verify` forgets the signed heads it is given",
        "commands/ledger.rs",
        "            verifier = verifier.with_tree_head(head);
",
        "",
    ),
    Mutant::new(
        "an empty export is whole",
        "commands/ledger.rs",
        "if verified.head.size() == first {",
        "if verified.head.size() == u64::MAX {",
    ),
    Mutant::new(
        "a store without records goes on from any head",
        "commands/ledger.rs",
        "if head.size() < verifier.head().size() {",
        "if head.size() > u64::MAX - verifier.head().size() {",
    ),
    // Revoking.
    Mutant::new(
        "of two approvals with one id the first is revoked",
        "commands/revoke.rs",
        "(Some(only), None) => Ok(only.clone()),",
        "(Some(first), _) => Ok(first.clone()),",
    ),
];
