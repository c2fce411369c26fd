//! Actions to start from, ids for them, and ways to change them.

use serde_json::Value;

use crate::home::Home;
use crate::program::root;

/// One of `init`'s examples, as commands name it.
pub(crate) const ALLOW: &str = "home/examples/allow.json";
/// One of `init`'s examples, as commands name it.
pub(crate) const STEP_UP: &str = "home/examples/step_up.json";
/// One of `init`'s examples, as commands name it.
pub(crate) const DENY: &str = "home/examples/deny.json";

/// An action of `examples/actions`.
pub(crate) fn example(name: &str) -> Value {
    let text = std::fs::read_to_string(root().join("examples/actions").join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The action in a file of a home's folder, to be changed.
pub(crate) fn read(home: &Home, file: &str) -> Value {
    serde_json::from_str(&home.read(file)).unwrap()
}

/// An action id, another for every number.
pub(crate) fn id(number: usize) -> String {
    format!("act_0192f0c1a5b67{:03x}8{number:015x}", 0)
}

/// Writes the action of a file with this id into another file.
pub(crate) fn with_id(home: &Home, file: &str, id: &str) -> String {
    let mut action = read(home, file);
    action["id"] = id.into();
    home.write(&format!("{id}.json"), action.to_string())
}

/// The pointers to all leaves of a value; what is empty is a leaf too.
pub(crate) fn leaves(value: &Value) -> Vec<String> {
    let below = |name: String, child: &Value| {
        leaves(child)
            .into_iter()
            .map(move |rest| format!("/{name}{rest}"))
            .collect::<Vec<_>>()
    };
    let children: Vec<String> = match value {
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, child)| below(name.clone(), child))
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .flat_map(|(at, item)| below(at.to_string(), item))
            .collect(),
        _ => Vec::new(),
    };
    if children.is_empty() {
        vec![String::new()]
    } else {
        children
    }
}
