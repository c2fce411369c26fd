//! What changed between two texts, line by line, in bounded work (`docs/spec/display.md`, "Changes").

use std::collections::HashMap;

/// How many unchanged lines are shown around a change.
const CONTEXT: usize = 3;
/// How many pairs of lines all comparisons of a view may look at.
pub(crate) const PAIRS: usize = 1_000_000;

/// One line, or several that are left out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    /// The line stands in both, at this place of the new text.
    Same(usize),
    /// The line of this place of the former text is gone.
    Removed(usize),
    /// The line of this place of the new text is new.
    Added(usize),
    /// So many lines stand in both.
    Skipped(usize),
}

/// What leads from one text to another. `pairs` is what may still be compared; a part that is too large for that is taken as
/// removed and added whole, which is true as well, only longer.
pub(crate) fn changes(former: &[&str], new: &[&str], pairs: &mut usize) -> Vec<Step> {
    let head = former.iter().zip(new).take_while(|(old, new)| old == new).count();
    let (old_rest, new_rest) = (
        former.get(head..).unwrap_or_default(),
        new.get(head..).unwrap_or_default(),
    );
    let tail = old_rest
        .iter()
        .rev()
        .zip(new_rest.iter().rev())
        .take_while(|(old, new)| old == new)
        .count();
    let middle = |rest: &[&str]| rest.len().saturating_sub(tail);
    let (rows, columns) = (middle(old_rest), middle(new_rest));
    let mut steps: Vec<Step> = (0..head).map(Step::Same).collect();
    let (old_middle, new_middle) = (
        old_rest.get(..rows).unwrap_or_default(),
        new_rest.get(..columns).unwrap_or_default(),
    );
    let moved = |step: Step| match step {
        Step::Same(at) => Step::Same(at.saturating_add(head)),
        Step::Removed(at) => Step::Removed(at.saturating_add(head)),
        Step::Added(at) => Step::Added(at.saturating_add(head)),
        Step::Skipped(count) => Step::Skipped(count),
    };
    let cost = rows.saturating_mul(columns);
    let between = match pairs.checked_sub(cost) {
        Some(left) => {
            *pairs = left;
            common(old_middle, new_middle)
        }
        None => (0..rows)
            .map(Step::Removed)
            .chain((0..columns).map(Step::Added))
            .collect(),
    };
    steps.extend(between.into_iter().map(moved));
    steps.extend((new.len().saturating_sub(tail)..new.len()).map(Step::Same));
    skip(&steps)
}

/// The steps along a longest common subsequence; where two are as long, lines are removed first.
fn common(former: &[&str], new: &[&str]) -> Vec<Step> {
    let mut numbers = HashMap::new();
    let mut number = |line| -> usize {
        let next = numbers.len();
        *numbers.entry(line).or_insert(next)
    };
    let former: Vec<usize> = former.iter().map(|line| number(*line)).collect();
    let new: Vec<usize> = new.iter().map(|line| number(*line)).collect();
    // `lengths[row][column]`: of what follows these places.
    let mut lengths: Vec<Vec<u32>> = vec![vec![0; new.len().saturating_add(1)]];
    for old in former.iter().rev() {
        let mut row = vec![0; new.len().saturating_add(1)];
        if let Some(below) = lengths.last() {
            let mut right = 0;
            for (column, line) in new.iter().enumerate().rev() {
                let at = |place: usize| below.get(place).copied().unwrap_or_default();
                right = if old == line {
                    at(column.saturating_add(1)).saturating_add(1)
                } else {
                    at(column).max(right)
                };
                if let Some(cell) = row.get_mut(column) {
                    *cell = right;
                }
            }
        }
        lengths.push(row);
    }
    lengths.reverse();
    let length = |row: usize, column: usize| -> u32 {
        let cell = lengths.get(row).and_then(|row| row.get(column));
        cell.copied().unwrap_or_default()
    };
    let (mut row, mut column) = (0_usize, 0_usize);
    let mut steps = Vec::new();
    loop {
        match (former.get(row), new.get(column)) {
            (None, None) => return steps,
            (Some(old), Some(line)) if old == line => {
                steps.push(Step::Same(column));
                row = row.saturating_add(1);
                column = column.saturating_add(1);
            }
            (Some(_), Some(_)) if length(row.saturating_add(1), column) < length(row, column.saturating_add(1)) => {
                steps.push(Step::Added(column));
                column = column.saturating_add(1);
            }
            (Some(_), _) => {
                steps.push(Step::Removed(row));
                row = row.saturating_add(1);
            }
            (None, Some(_)) => {
                steps.push(Step::Added(column));
                column = column.saturating_add(1);
            }
        }
    }
}

/// The same, with unchanged lines only where they are near a change.
fn skip(steps: &[Step]) -> Vec<Step> {
    let is_same = |step: &Step| matches!(step, Step::Same(_));
    let mut shown = Vec::new();
    let runs = steps.chunk_by(|left, right| is_same(left) == is_same(right));
    let mut done = 0_usize;
    for run in runs {
        let (is_start, end) = (done == 0, done.saturating_add(run.len()));
        let is_end = end == steps.len();
        done = end;
        if !run.first().is_some_and(is_same) {
            shown.extend_from_slice(run);
            continue;
        }
        let before = if is_start { 0 } else { CONTEXT };
        let after = if is_end { 0 } else { CONTEXT };
        let skipped = run.len().saturating_sub(before).saturating_sub(after);
        // A note for one line is no shorter than the line.
        if skipped <= 1 {
            shown.extend_from_slice(run);
            continue;
        }
        shown.extend(run.iter().take(before));
        shown.push(Step::Skipped(skipped));
        shown.extend(run.iter().skip(before.saturating_add(skipped)));
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(text: &str) -> Vec<&str> {
        text.split('\n').collect()
    }

    /// The changes of two texts, a line each.
    fn written(former: &str, new: &str) -> String {
        let (former, new) = (lines(former), lines(new));
        let steps = changes(&former, &new, &mut PAIRS.clone());
        let line = |step: &Step| match *step {
            Step::Same(at) => format!(" {}", new[at]),
            Step::Removed(at) => format!("-{}", former[at]),
            Step::Added(at) => format!("+{}", new[at]),
            Step::Skipped(count) => format!("@{count}"),
        };
        steps.iter().map(line).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn changes_stand_in_their_context() {
        for (former, new, expected) in [
            ("a", "b", "-a|+b"),
            ("a\nb", "a\nc\nb", " a|+c| b"),
            ("a\nb\nc", "a\nc", " a|-b| c"),
            ("x\na\ny", "x\nb\ny", " x|-a|+b| y"),
            ("1\n2\n3\n4\n5\n6\n7", "1\n2\n3\n4\n5\n6\n8", "@3| 4| 5| 6|-7|+8"),
            ("0\n2\n3\n4\n5\n6\n7", "1\n2\n3\n4\n5\n6\n7", "-0|+1| 2| 3| 4|@3"),
            ("1\n2\n3\n4\n5", "1\n2\n3\n4\n6", " 1| 2| 3| 4|-5|+6"),
            ("a\nb\nc\nd", "b\na\nd\nc", "-a| b|-c|+a| d|+c"),
            ("", "a", "-|+a"),
        ] {
            assert_eq!(written(former, new), expected, "{former:?} {new:?}");
        }
    }

    #[test]
    fn what_is_too_much_to_compare_is_replaced_whole() {
        let (former, new) = (lines("a\nb\nc"), lines("c\nb\nd"));
        let mut pairs = 9;
        let compared = changes(&former, &new, &mut pairs);
        assert_eq!(pairs, 0);
        assert_eq!(compared.iter().filter(|step| matches!(step, Step::Same(_))).count(), 1);
        let replaced = changes(&former, &new, &mut 8);
        assert_eq!(
            replaced,
            [0, 1, 2]
                .map(Step::Removed)
                .into_iter()
                .chain([0, 1, 2].map(Step::Added))
                .collect::<Vec<_>>()
        );
    }

    /// What the steps make of the former text, if they fit both texts.
    fn applied<'a>(former: &[&'a str], new: &[&'a str], steps: &[Step]) -> Option<Vec<&'a str>> {
        let (mut old, mut made) = (former.iter(), Vec::new());
        for step in steps {
            match *step {
                Step::Same(at) => {
                    made.push(*old.next().filter(|line| new.get(at) == Some(line))?);
                }
                Step::Removed(at) => {
                    old.next().filter(|line| former.get(at) == Some(line))?;
                }
                Step::Added(at) => made.push(*new.get(at)?),
                Step::Skipped(count) => made.extend(old.by_ref().take(count)),
            }
        }
        old.next().is_none().then_some(made)
    }

    proptest! {
        /// Whatever may be compared, the changes make the new text of the former one.
        #[test]
        fn changes_lead_from_one_text_to_the_other(former in "[ab\n]{0,24}", new in "[ab\n]{0,24}", pairs in 0..200_usize) {
            let (former, new) = (lines(&former), lines(&new));
            let mut left = pairs;
            let steps = changes(&former, &new, &mut left);
            prop_assert!(left <= pairs);
            prop_assert_eq!(applied(&former, &new, &steps), Some(new));
        }
    }
}
