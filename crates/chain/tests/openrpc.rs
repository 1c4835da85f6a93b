//! The OpenRPC document names what is answered, and nothing else.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use serde_json::Value;
use trex_chain::rpc::METHODS;

fn document() -> Value {
    serde_json::from_str(include_str!("../../../specs/openrpc.json")).unwrap()
}

#[test]
fn test_document_names_every_method_of_the_core_and_no_other() {
    let document = document();
    let named: BTreeSet<&str> = document["methods"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|method| method["x-answered-by"] == "core")
        .map(|method| method["name"].as_str().unwrap())
        .collect();
    assert_eq!(named, METHODS.iter().copied().collect());
    assert!(METHODS.is_sorted(), "methods stand in order");
}

#[test]
fn test_every_reference_of_the_document_leads_somewhere() {
    fn walk<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
            Value::Object(map) => {
                if let Some(Value::String(reference)) = map.get("$ref") {
                    found.insert(reference);
                }
                map.values().for_each(|item| walk(item, found));
            }
            _ => {}
        }
    }
    let document = document();
    let mut references = BTreeSet::new();
    walk(&document, &mut references);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}
