use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn path(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn edited(text: &str, edit: impl FnOnce(&mut Editor)) -> String {
    let mut editor = Editor::new(text.to_owned(), Dialect::Lenient);
    edit(&mut editor);
    editor.into_text()
}

fn set(text: &str, names: &[&str], value: &Json) -> String {
    edited(text, |editor| editor.set(&path(names), value).unwrap())
}

#[test]
fn what_is_no_json_is_refused() {
    for text in [
        "",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "{a:1}",
        "01",
        "1.",
        "+1",
        "nul",
        "\"\\x\"",
        "\"\n\"",
        "{} {}",
        "// x\n{}",
        "[1 2]",
        "{\"a\" 1}",
        "\"\\ud800\"",
        "'a'",
        "/",
        "\u{a0}1",
    ] {
        assert!(Node::parse(text, Dialect::Strict).is_err(), "{text:?}");
    }
    for text in ["{\"a\":1,}", "// x\n{}", "/* */[1,/**/] // end", "{} // é\r\n"] {
        assert!(Node::parse(text, Dialect::Lenient).is_ok(), "{text:?}");
    }
    for text in ["{,}", "/* {}", "[,]", "/x", "{\"a\":1,,}"] {
        assert!(Node::parse(text, Dialect::Lenient).is_err(), "{text:?}");
    }
    let deep = "[".repeat(100_000);
    assert_eq!(
        Node::parse(&deep, Dialect::Strict).unwrap_err().problem,
        "values are nested too deep"
    );
}

#[test]
fn only_the_member_changes() {
    let text = "{\r\n\t// mine\r\n\t\"a\" : 1e2, /* é */\r\n\t\"b\":{ \"c\":[ ] },\r\n}\r\n";
    let one = Json::Number("1".to_owned());
    assert_eq!(set(text, &["a"], &one), text.replace("1e2", "1"));
    assert_eq!(
        set(text, &["b", "d"], &Json::Bool(true)),
        text.replace("[ ] }", "[ ], \"d\": true }")
    );
    assert_eq!(
        set(text, &["x", "y"], &one),
        text.replace("] },\r\n", "] },\r\n\t\"x\": {\r\n\t\t\"y\": 1\r\n\t},\r\n")
    );
}

#[test]
fn comments_stay_where_they_are() {
    let one = Json::Number("1".to_owned());
    for (before, after) in [
        ("{}", "{\n  \"n\": 1\n}"),
        ("{ }\n", "{\n  \"n\": 1\n}\n"),
        ("{ // c\n}", "{ // c\n  \"n\": 1\n}"),
        ("{\n  \"a\": 2 // c\n}", "{\n  \"a\": 2, // c\n  \"n\": 1\n}"),
        ("{\n  \"a\": 2, // c\n}", "{\n  \"a\": 2, // c\n  \"n\": 1,\n}"),
        ("{\"a\": 2}", "{\"a\": 2, \"n\": 1}"),
        ("{\n    \"a\": 2\n}", "{\n    \"a\": 2,\n    \"n\": 1\n}"),
    ] {
        let written = set(before, &["n"], &one);
        assert_eq!(written, after);
        let removed = edited(&written, |editor| assert!(editor.remove(&path(&["n"])).unwrap()));
        let value = |text: &str| Node::parse(text, Dialect::Lenient).unwrap().to_json(text);
        assert_eq!(value(&removed), value(before), "{removed}");
        assert_eq!(removed.contains("// c"), before.contains("// c"));
    }
    for (before, after) in [
        ("[1, 2, 3]", "[1, 3]"),
        ("[2]", "[]"),
        ("[\n  2\n]", "[]"),
        ("[\n  1,\n  2\n]", "[\n  1\n]"),
        ("[\n  2,\n  1\n]", "[\n  1\n]"),
        ("[\n  1, // c\n  2\n]", "[\n  1 // c\n  \n]"),
        ("[\n  // c\n  2\n]", "[\n  // c\n  \n]"),
        ("[1, 2,]", "[1,]"),
    ] {
        let two = Json::Number("2".to_owned());
        let pulled = edited(before, |editor| assert!(editor.pull(&[], &two).unwrap()));
        assert_eq!(pulled, after);
    }
}

#[test]
fn a_name_that_stands_twice_is_not_edited() {
    let mut editor = Editor::new("{\"a\":{},\"a\":{}}".to_owned(), Dialect::Strict);
    assert!(editor.set(&path(&["a", "b"]), &Json::Null).is_err());
    assert!(editor.remove(&path(&["a"])).is_err());
    assert!(editor.push(&path(&["a", "l"]), &Json::Null).is_err());
    let mut editor = Editor::new("{\"a\":1}".to_owned(), Dialect::Strict);
    assert!(editor.set(&path(&["a", "b"]), &Json::Null).is_err());
    assert!(editor.push(&path(&["a"]), &Json::Null).is_err());
}

/// A value, and text of it with blanks and comments in every place that takes them.
fn document() -> impl Strategy<Value = (Value, String)> {
    let blank = || {
        prop::sample::select(vec![
            "",
            " ",
            "\n",
            "\r\n\t",
            "\n    ",
            "/* c */",
            " // } \" ,\n",
            "/**/ ",
        ])
    };
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-c\"\\\\\u{e9}\u{202e}/ {]{0,4}".prop_map(Value::from),
    ];
    let leaf = leaf.prop_map(|value| {
        let text = value.to_string();
        (value, text)
    });
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let items = prop::collection::vec((blank(), inner.clone(), blank()), 0..4);
        let members = prop::collection::btree_map("[a-d]", (blank(), inner, blank(), blank()), 0..4);
        prop_oneof![
            (items, any::<bool>()).prop_map(|(items, has_comma)| {
                let texts: Vec<String> = items.iter().map(|(a, (_, text), b)| format!("{a}{text}{b}")).collect();
                let comma = if has_comma && !texts.is_empty() { "," } else { "" };
                let text = format!("[{}{comma}]", texts.join(","));
                (items.into_iter().map(|(_, (value, _), _)| value).collect(), text)
            }),
            (members, any::<bool>()).prop_map(|(members, has_comma)| {
                let texts: Vec<String> = members
                    .iter()
                    .map(|(name, (a, (_, text), b, c))| format!("{a}\"{name}\"{c}:{b}{text}{c}"))
                    .collect();
                let comma = if has_comma && !texts.is_empty() { "," } else { "" };
                let text = format!("{{{}{comma}}}", texts.join(","));
                let members = members.into_iter().map(|(name, (_, (value, _), ..))| (name, value));
                (Value::Object(members.collect()), text)
            }),
        ]
    })
}

/// The value as `serde_json` has it.
fn read(text: &str) -> Value {
    let json = Node::parse(text, Dialect::Lenient).unwrap().to_json(text);
    serde_json::from_str(&json.compact()).unwrap()
}

/// Whether all comments of a text are in another, in order.
fn comments(text: &str) -> (usize, usize) {
    (text.matches("/* c */").count(), text.matches("// }").count())
}

proptest! {
    #[test]
    fn what_is_read_is_what_stands_there((value, text) in document()) {
        prop_assert_eq!(read(&text), value.clone());
        let node = Node::parse(&text, Dialect::Lenient).unwrap();
        let json = node.to_json(&text);
        let spread = json.pretty("", "  ", "\n");
        prop_assert_eq!(serde_json::from_str::<Value>(&spread).unwrap(), value);
    }

    #[test]
    fn a_member_is_set_and_removed_and_nothing_else_changes(
        (value, text) in document(),
        name in "[a-f]",
        (new, new_text) in document(),
    ) {
        prop_assume!(value.is_object());
        let json = Node::parse(&new_text, Dialect::Lenient).unwrap().to_json(&new_text);
        let is_there = value.get(&name).is_some();
        let mut editor = Editor::new(text.clone(), Dialect::Lenient);
        editor.set(std::slice::from_ref(&name), &json).unwrap();
        let mut expected = value.clone();
        expected[&name] = new;
        prop_assert_eq!(read(editor.text()), expected.clone(), "{}", editor.text());
        if !is_there {
            // Everything that was there still is, in order: only an insertion happened.
            prop_assert_eq!(comments(editor.text()), comments(&text));
            let mut rest = editor.text();
            let kept: String = text.chars().filter(|character| !character.is_whitespace()).collect();
            for character in kept.chars() {
                let behind = rest.split_once(character).map(|(_, behind)| behind);
                prop_assert!(behind.is_some(), "{} {}", text, editor.text());
                rest = behind.unwrap();
            }
        }
        prop_assert!(editor.remove(std::slice::from_ref(&name)).unwrap());
        expected.as_object_mut().unwrap().remove(&name);
        prop_assert_eq!(read(editor.text()), expected, "{}", editor.text());
        if !is_there {
            prop_assert_eq!(comments(editor.text()), comments(&text));
        }
    }

    #[test]
    fn an_item_is_added_and_taken_out((value, text) in document(), (new, new_text) in document()) {
        prop_assume!(value.is_array());
        let json = Node::parse(&new_text, Dialect::Lenient).unwrap().to_json(&new_text);
        let mut editor = Editor::new(text.clone(), Dialect::Lenient);
        prop_assert_eq!(editor.push(&[], &json).unwrap(), 0);
        let mut expected = value.clone();
        expected.as_array_mut().unwrap().push(new.clone());
        prop_assert_eq!(read(editor.text()), expected.clone(), "{}", editor.text());
        prop_assert!(editor.pull(&[], &json).unwrap());
        let items = expected.as_array_mut().unwrap();
        let place = items.iter().rposition(|item| *item == new).unwrap();
        items.remove(place);
        prop_assert_eq!(read(editor.text()), expected, "{}", editor.text());
        prop_assert_eq!(comments(editor.text()), comments(&text));
    }
}
