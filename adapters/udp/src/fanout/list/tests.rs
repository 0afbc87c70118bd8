use proptest::prelude::*;
use serde_json::json;

use super::*;

fn fields(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[test]
fn a_list_of_the_original_is_saved_as_it_stood() {
    for text in [
        // json.dump(clients, f)
        r#"{"kitchen": {"ip": "192.168.2.249", "port": 57001, "channel": 1}, "a": {"ip": "10.0.0.1", "port": 57002, "channel": 0}}"#,
        // json.dump(clients, f, indent=4)
        "{\n    \"kitchen\": {\n        \"ip\": \"192.168.2.249\",\n        \"port\": 57001,\n        \"channel\": 1\n    }\n}",
        // Characters beyond ASCII, as Python writes them, and as others do.
        r#"{"K\u00fcche \ud83d\ude00": {"ip": "10.0.0.1", "port": 1, "channel": 0}}"#,
        "{\"Küche\": {\"ip\": \"10.0.0.1\", \"port\": 1, \"channel\": 0}}\n",
        // Compact, with what is not known here.
        r#"{"z":{"channel":3,"port":1,"ip":"h","seat":{"row":7,"free":[]},"note":1.50}}"#,
        "{\n  \"a\": {\n    \"ip\": \"h\",\n    \"port\": 1,\n    \"channel\": 0,\n    \"x\": {},\n    \"y\": [\n      1,\n      []\n    ]\n  }\n}\n",
        "{}",
    ] {
        let list = ClientList::parse(text).unwrap();
        assert_eq!(list.to_text(), text.replace("1.50", "1.5"));
    }
}

#[test]
fn files_are_replaced_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("clients.json");
    let mut list = ClientList::new();
    list.add(
        "a",
        fields(json!({"ip": "127.0.0.1", "port": 57001, "channel": 0})),
    )
    .unwrap();
    list.save(&path).unwrap();
    assert_eq!(ClientList::load(&path).unwrap().to_text(), list.to_text());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    let nowhere = list
        .save(&dir.path().join("none/clients.json"))
        .unwrap_err();
    assert!(nowhere.to_string().contains("clients.json"), "{nowhere}");
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_not_waited_for_and_what_is_endless_not_read() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    for path in [Path::new("/dev/zero"), dir.path()] {
        let told = ClientList::load(path).unwrap_err().to_string();
        assert!(told.contains("no file"), "{told}");
    }
    let long = dir.path().join("long.json");
    let file = std::fs::File::create(&long).unwrap();
    file.set_len(1 << 40).unwrap();
    let told = ClientList::load(&long).unwrap_err().to_string();
    assert!(told.contains("longer than"), "{told}");
    // Who may read a list that is saved stays as it was.
    let mine = dir.path().join("mine.json");
    std::fs::write(&mine, "{}").unwrap();
    std::fs::set_permissions(&mine, PermissionsExt::from_mode(0o600)).unwrap();
    ClientList::load(&mine).unwrap().save(&mine).unwrap();
    let mode = std::fs::metadata(&mine).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn older_lists_are_imported_for_the_older_client() {
    for text in [
        r#"[{"ch": 0, "ip": "192.168.1.3"}, {"ch": 2, "ip": "10.0.0.1", "port": 50008}, {"ch": 1, "ip": "192.168.1.3"}]"#,
        r#"[[0, "192.168.1.3"], [2, "10.0.0.1", 50008], [1, "192.168.1.3"]]"#,
    ] {
        let list = ClientList::parse(text).unwrap();
        let names: Vec<_> = list.names().collect();
        assert_eq!(names, ["192.168.1.3", "10.0.0.1", "192.168.1.3 (2)"]);
        let spec = |name| list.spec(name).unwrap();
        assert_eq!(
            (spec("192.168.1.3").port, spec("10.0.0.1").port),
            (50_007, 50_008)
        );
        assert_eq!(spec("192.168.1.3 (2)").channels, [1]);
        assert!(
            list.to_text()
                .starts_with("{\n    \"192.168.1.3\": {\n        \"ip\"")
        );
    }
}

#[test]
fn broken_json_is_told_with_its_place() {
    let text = "{\n  \"a\": {\"ip\": \"h\", \"port\": 1,, \"channel\": 0}\n}";
    let error = ClientList::parse(text).unwrap_err().to_string();
    assert!(error.contains("line 2, column 30"), "{error}");
    for (form, says) in [
        ("5", "an object is expected"),
        (r#"{"a": 5}"#, "client \"a\""),
        (r#"[{"ch": 0}]"#, "entry 1"),
        (r#"[7]"#, "entry 1"),
        (r#"{" ": {}}"#, "name"),
    ] {
        let error = ClientList::parse(form).unwrap_err().to_string();
        assert!(error.contains(says), "{form}: {error}");
    }
}

#[test]
fn clients_are_changed_field_by_field() {
    let text = r#"{"a": {"ip": "h", "port": 1, "channel": 0, "seat": 7}}"#;
    let mut list = ClientList::parse(text).unwrap();
    list.change("a", fields(json!({"port": 2, "gain": -3.0})))
        .unwrap();
    list.change("a", fields(json!({"channels": [1, 2]})))
        .unwrap();
    assert_eq!(list.spec("a").unwrap().channels, [1, 2]);
    list.change("a", fields(json!({"channel": 3, "gain": null})))
        .unwrap();
    let expected = r#"{"a": {"ip": "h", "port": 2, "seat": 7, "channel": 3}}"#;
    assert_eq!(list.to_text(), expected);
    let error = list.change("a", fields(json!({"port": 0}))).unwrap_err();
    assert!(error.to_string().contains("port"), "{error}");
    assert_eq!(list.to_text(), expected);
    assert!(
        list.change("b", Map::new())
            .unwrap_err()
            .to_string()
            .contains("\"b\"")
    );
    let taken = list.add("a", fields(json!({"ip": "h", "port": 1, "channel": 0})));
    assert!(taken.unwrap_err().to_string().contains("\"a\""));
    list.remove("a").unwrap();
    assert!(list.remove("a").is_err() && list.is_empty());
}

proptest! {
    #[test]
    fn no_text_panics_and_what_is_read_is_written_alike(text in ".{0,200}") {
        if let Ok(list) = ClientList::parse(&text) {
            prop_assert_eq!(ClientList::parse(&list.to_text()).unwrap().clients, list.clients);
        }
    }

    #[test]
    fn any_list_survives_being_written_and_read(
        clients in prop::collection::btree_map("[a-zä☃\"\\\\ ]{1,8}[a-z]", (0u16..9, 0u16..9, any::<f64>()), 0..8),
        indent in prop::option::of(" {0,4}"), spaced: bool, ascii: bool, newline: bool,
    ) {
        let mut list = ClientList::new();
        for (name, (port, channel, extra)) in &clients {
            let fields = json!({"ip": "h", "port": port, "channel": channel, "x": [extra, {}]});
            list.clients.insert(name.clone(), fields);
        }
        list.layout = Layout { indent, spaced, ascii, newline, ..Layout::default() };
        let text = list.to_text();
        prop_assert!(!ascii || text.is_ascii());
        prop_assert_eq!(ClientList::parse(&text).unwrap().clients, list.clients);
    }
}
