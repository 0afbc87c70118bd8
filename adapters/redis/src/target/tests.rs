use super::*;
use proptest::prelude::*;

fn shows(url: &str) -> String {
    RedisTarget::parse(url).unwrap().to_string()
}

#[test]
fn every_form_is_read() {
    for (url, shown) in [
        ("redis://host", "redis://host:6379"),
        ("redis://host:1/", "redis://host:1"),
        ("redis://host/3", "redis://host:6379/3"),
        ("redis://[::1]:7/2", "redis://[::1]:7/2"),
        ("rediss://u@h", "rediss://u@h:6379"),
        (
            "rediss://h?ca=%2Fa%20b.pem",
            "rediss://h:6379?ca=%2Fa%20b.pem",
        ),
        (
            "redis+sentinel://a,b:1/main",
            "redis+sentinel://a:26379,b:1/main",
        ),
        (
            "redis+sentinel://a/main/4",
            "redis+sentinel://a:26379/main/4",
        ),
        (
            "rediss+cluster://a,b:7001/",
            "rediss+cluster://a:6379,b:7001",
        ),
    ] {
        assert_eq!(shows(url), shown);
        assert_eq!(shows(shown), shown);
    }
    let target = RedisTarget::parse("redis://ann%40x:p%3Aw%2F@h").unwrap();
    assert_eq!(target.user.name.as_deref(), Some("ann@x"));
    assert_eq!(target.user.password.as_deref(), Some("p:w/"));
    let target = RedisTarget::parse("redis://:pw@h").unwrap();
    assert_eq!(target.user.name, None);
    assert!(target.has_password());
}

#[test]
fn what_is_no_url_is_refused_in_words() {
    for (url, word) in [
        ("", "redis://"),
        ("host:6379", "redis://"),
        ("http://host", "redis://"),
        ("redis+://host", "redis://"),
        ("redis+ring://host", "redis://"),
        ("redis://", "a host"),
        ("redis://a,b", "several hosts"),
        ("redis://host:0", "1 to 65535"),
        ("redis://host:65536", "1 to 65535"),
        ("redis://host:+1", "1 to 65535"),
        ("redis://host/x", "whole number"),
        ("redis://host/1/2", "whole number"),
        ("redis://%zz@host", "hexadecimal"),
        ("redis://host?ca=x", "rediss"),
        ("rediss://host?db=1", "option"),
        ("redis+sentinel://host", "SERVICE"),
        ("redis+cluster://host/1", "database 0"),
    ] {
        let e = RedisTarget::parse(url).unwrap_err().to_string();
        assert!(e.contains(word), "{url}: {e}");
    }
}

#[test]
fn passwords_are_never_shown() {
    for url in [
        "redis://:geheim@host",
        "redis://ann:geheim@host/3",
        "redis://ann:geheim@host/x",
        "redis://ann:geheim/@host",
        "redis://ann:geheim%@host",
        "ann:geheim@host",
        "redis://ann:geheim@host:99999/1?x=y",
        "rediss+sentinel://ann:geheim@a,b/",
    ] {
        let said = match RedisTarget::parse(url) {
            Ok(target) => format!("{target} {target:?}"),
            Err(e) => format!("{e} {e:?}"),
        };
        assert!(!said.contains("geheim"), "{said}");
    }
}

#[test]
fn the_environment_says_the_same() {
    let vars = |pairs: &'static [(&str, &str)]| {
        move |name: &str| {
            let found = pairs.iter().find(|(n, _)| *n == name);
            found.map(|(_, value)| (*value).to_owned())
        }
    };
    let target = RedisTarget::from_vars(|_| None).unwrap();
    assert_eq!(target.to_string(), "redis://localhost:6379");
    assert!(!target.has_password());
    let target = RedisTarget::from_vars(vars(&[
        ("REDIS_HOST", "::1"),
        ("REDIS_PORT", "7000"),
        ("REDIS_DB", "2"),
        ("REDIS_PASSWORD", "geheim"),
        ("REDIS_USERNAME", ""),
    ]))
    .unwrap();
    assert_eq!(target.to_string(), "redis://[::1]:7000/2");
    assert!(target.has_password() && !format!("{target:?}").contains("geheim"));
    for bad in [
        vars(&[("REDIS_PORT", "x")]),
        vars(&[("REDIS_DB", "-1")]),
        vars(&[("REDIS_HOST", "a b")]),
    ] {
        assert!(RedisTarget::from_vars(bad).is_err());
    }
    // A URL's own secrets win; another user's password is of no use to them.
    let secrets = vars(&[("REDIS_USERNAME", "bob"), ("REDIS_PASSWORD", "geheim")]);
    let with = |url: &str| RedisTarget::parse(url).unwrap().with_secrets(secrets).user;
    assert_eq!(with("redis://h").name.as_deref(), Some("bob"));
    assert_eq!(with("redis://ann@h").name.as_deref(), Some("ann"));
    assert_eq!(with("redis://ann@h").password.as_deref(), Some("geheim"));
    assert_eq!(with("redis://:x@h").name, None);
    assert_eq!(with("redis://ann:x@h").password.as_deref(), Some("x"));
}

proptest! {
    #[test]
    fn any_text_is_a_target_that_reads_the_same_or_is_refused_in_a_line(
        url in "\\PC{0,60}|rediss?(\\+(sentinel|cluster))?://[a-z:@,\\[\\]0-9/%?=.]{0,40}",
    ) {
        match RedisTarget::parse(&url) {
            Ok(target) => {
                let text = target.to_string();
                let again = RedisTarget::parse(&text).unwrap();
                prop_assert_eq!(again.to_string(), text);
            }
            Err(e) => {
                let e = e.to_string();
                prop_assert!(!e.contains('\n') && e.len() < 2_000);
            }
        }
    }
}
