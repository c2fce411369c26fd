//! The table of version 1 is what Unicode 18.0.0 says, as crates carry its data.

use std::fmt::Write as _;

use unicode_normalization::char::is_combining_mark;
use unicode_script::{Script, ScriptExtension, UnicodeScript as _};
use unicode_security::{GeneralSecurityProfile as _, MixedScript as _, mixed_script::AugmentedScriptSet, skeleton};

const HEAD: &str = "\
# The characters that actionpass-display/1 goes by.
#
# Derived from the Unicode Character Database and the data of UTS #39, Unicode 18.0.0, as the crates unicode-security
# 0.1.3, unicode-script 0.5.9 and unicode-normalization 0.1.26 carry them, by tests/suite/table.rs.
# Copyright 1991-2026 Unicode, Inc.; SPDX-License-Identifier: Unicode-3.0 (LICENSE-UNICODE beside this file).
#
# FIRST[-LAST] class NAME            what is never shown as it is, and combining marks
# FIRST[-LAST] script NAME[,NAME]    the augmented script set (UTS #39, 5.1); without a line: any script
# CODE like REACH ASCII              the ASCII text that the skeleton is (UTS #39, 4), and where it is taken for it
";

/// What a character is that isn't shown as it is.
fn class(character: char) -> Option<&'static str> {
    let is_bidi =
        matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_blank = matches!(
        character,
        '\u{a0}' | '\u{115f}' | '\u{1160}' | '\u{1680}' | '\u{2000}'
            ..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{2800}' | '\u{3000}' | '\u{3164}' | '\u{ffa0}'
    );
    let is_private =
        matches!(character, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{ffffd}' | '\u{100000}'..='\u{10fffd}');
    Some(
        if character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') {
            "control"
        } else if is_bidi {
            "bidi"
        } else if matches!(character, '\u{e0000}'..='\u{e007f}') {
            "tag"
        } else if is_blank {
            "blank"
        } else if actionpass_model::is_hidden(character) || is_ignorable(character) {
            "hidden"
        } else if is_private {
            "private"
        } else if character.script() == Script::Unknown {
            "unassigned"
        } else if is_combining_mark(character) {
            "mark"
        } else {
            return None;
        },
    )
}

/// Default_Ignorable_Code_Point: what a skeleton drops.
fn is_ignorable(character: char) -> bool {
    skeleton(character.encode_utf8(&mut [0; 4])).next().is_none()
}

/// The augmented script set, unless it is that of every script.
fn scripts(character: char) -> Option<String> {
    if !matches!(class(character), None | Some("mark")) {
        return None;
    }
    let set = AugmentedScriptSet::for_char(character);
    if set.is_all() {
        return None;
    }
    let mut names: Vec<&str> = ScriptExtension::from(character)
        .iter()
        .map(Script::short_name)
        .collect();
    for (is_in, name) in [(set.hanb, "Hanb"), (set.jpan, "Jpan"), (set.kore, "Kore")] {
        if is_in {
            names.push(name);
        }
    }
    Some(names.join(","))
}

/// The ASCII text that a character is taken for, and where. Everyday letters of the Latin script are no look-alikes: `æ` is
/// no `ae`.
fn like(character: char) -> Option<(&'static str, String)> {
    if character.is_ascii() || class(character).is_some() {
        return None;
    }
    let ascii: String = skeleton(character.encode_utf8(&mut [0; 4])).collect();
    if !ascii.is_ascii() {
        return None;
    }
    let beside_latin: String = ['a', character].into_iter().collect();
    let reach = match ascii.chars().all(|character| character.is_ascii_alphanumeric()) {
        false => "names",
        true if !beside_latin.as_str().is_single_script() => "words",
        true if character.identifier_allowed() => return None,
        true => "always",
    };
    Some((reach, ascii))
}

/// Ranges of characters that follow each other and have the same value.
fn ranges<T: PartialEq>(value: impl Fn(char) -> Option<T>) -> Vec<(u32, u32, T)> {
    let mut ranges: Vec<(u32, u32, T)> = Vec::new();
    for character in '\0'..=char::MAX {
        let Some(value) = value(character) else { continue };
        let code = u32::from(character);
        match ranges.last_mut() {
            Some((_, last, same)) if *last + 1 == code && *same == value => *last = code,
            _ => ranges.push((code, code, value)),
        }
    }
    ranges
}

fn span(first: u32, last: u32) -> String {
    if first == last {
        format!("{first:X}")
    } else {
        format!("{first:X}-{last:X}")
    }
}

fn table() -> String {
    let mut text = HEAD.to_owned();
    for (first, last, class) in ranges(class) {
        writeln!(text, "{} class {class}", span(first, last)).unwrap();
    }
    for (first, last, scripts) in ranges(scripts) {
        writeln!(text, "{} script {scripts}", span(first, last)).unwrap();
    }
    for character in '\0'..=char::MAX {
        if let Some((reach, ascii)) = like(character) {
            writeln!(text, "{:X} like {reach} {ascii}", u32::from(character)).unwrap();
        }
    }
    text
}

#[test]
fn the_table_is_what_unicode_says() {
    const OF: (u64, u64, u64) = (18, 0, 0);
    assert_eq!(
        (unicode_security::UNICODE_VERSION, unicode_script::UNICODE_VERSION),
        (OF, OF),
        "the data of another Unicode"
    );
    assert_eq!(
        unicode_normalization::UNICODE_VERSION,
        (18, 0, 0),
        "the data of another Unicode"
    );
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/data/table-1.txt");
    let made = table();
    if std::env::var_os("UPDATE_TABLE").is_some() {
        std::fs::write(file, &made).unwrap();
    }
    let kept = std::fs::read_to_string(file).unwrap();
    let differing = kept.lines().zip(made.lines()).find(|(kept, made)| kept != made);
    assert_eq!(differing, None);
    assert_eq!(kept.len(), made.len());
}
