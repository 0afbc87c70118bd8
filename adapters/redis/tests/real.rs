//! The registry and the bus on real servers: conformance on each kind of deployment, and what
//! happens when servers go away.
#![cfg(test)]

#[path = "support/server.rs"]
mod server;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use audiox_core::bus::StreamBus;
use audiox_core::conformance;
use audiox_core::registry::{Listed, SessionFields, SessionId, SessionRegistry};
use audiox_core::store::{StoreError, StoreErrorKind, StreamId};
use audiox_redis::{BusConfig, LinkConfig, RedisBus, RedisRegistry, RedisTarget, RegistryConfig};
use bytes::Bytes;
use server::RedisServer;

fn registry(url: &str) -> RedisRegistry {
    RedisRegistry::new(&RedisTarget::parse(url).unwrap(), RegistryConfig::default()).unwrap()
}

fn bus(url: &str) -> RedisBus {
    let config = BusConfig {
        max_entries: 300,
        ..BusConfig::default()
    };
    RedisBus::new(&RedisTarget::parse(url).unwrap(), config).unwrap()
}

fn id(text: &str) -> SessionId {
    text.parse().unwrap()
}

fn named(name: &str) -> SessionFields {
    SessionFields::new().with("user_name", name).unwrap()
}

/// Commands as an application would send them.
fn raw(url: &str) -> redis::Connection {
    redis::Client::open(url).unwrap().get_connection().unwrap()
}

/// Tries until it works, as somebody who waits for a server would.
async fn until_it_works<T>(mut call: impl AsyncFnMut() -> Result<T, StoreError>) -> T {
    let until = Instant::now() + Duration::from_secs(25);
    loop {
        match call().await {
            Ok(value) => return value,
            Err(e) => {
                assert!(e.is_transient(), "{e}");
                assert!(Instant::now() < until, "still {e}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Looks until it is so.
async fn wait_for(look: &mut dyn FnMut() -> Option<()>) {
    let until = Instant::now() + Duration::from_secs(20);
    while look().is_none() {
        assert!(Instant::now() < until, "it never comes");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn registry_conforms_on_a_single_server() {
    let server = RedisServer::start();
    let registry = registry(&format!("{}/3", server.url()));
    conformance::session_registry(&registry).await;
    assert!(!registry.scripts_denied());
    assert_eq!(registry.to_string(), format!("{}/3", server.url()));
}

#[tokio::test]
async fn bus_conforms_on_a_single_server() {
    let server = RedisServer::start();
    conformance::stream_bus(&bus(&server.url()), 300).await;
}

#[tokio::test]
async fn both_conform_where_scripts_are_denied() {
    let server = RedisServer::with("user plain on >geheim ~* +@all -@scripting -@dangerous");
    let url = format!("redis://plain:geheim@127.0.0.1:{}", server.port());
    let registry = registry(&url);
    conformance::session_registry(&registry).await;
    assert!(registry.scripts_denied());
    conformance::stream_bus(&bus(&url), 300).await;
}

#[tokio::test]
async fn users_by_name_come_in_and_others_are_told_why_not() {
    let server = RedisServer::with(
        "user default off\nuser app on >geheim ~session:* +@all -@dangerous\n\
         user blind on >geheim ~session:* -@all +ping",
    );
    let at = |user: &str| format!("redis://{user}@127.0.0.1:{}", server.port());
    let app = registry(&at("app:geheim"));
    conformance::session_registry(&app).await;
    for user in ["app:falsch!", "nobody:geheim", "blind:geheim"] {
        let refused = registry(&at(user)).check().await.unwrap_err();
        assert_eq!(refused.kind, StoreErrorKind::Denied, "{user}: {refused}");
        let said = format!("{refused} {refused:?}");
        assert!(
            !said.contains("falsch!") && !said.contains("geheim"),
            "{said}"
        );
    }
    let nobody = registry(&server.url()).check().await.unwrap_err();
    assert_eq!(nobody.kind, StoreErrorKind::Denied, "{nobody}");
}

#[tokio::test]
async fn both_conform_by_tls_and_trust_is_checked() {
    let mut authority = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let issuer = |params: &rcgen::CertificateParams| {
        let key = rcgen::KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        (rcgen::Issuer::new(params.clone(), key), pem)
    };
    let (ours, our_pem) = issuer(&authority);
    let (_, other_pem) = issuer(&authority);
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]);
    let cert = params.unwrap().signed_by(&key, &ours).unwrap();
    let server = RedisServer::tls(|dir| {
        std::fs::write(dir.join("cert.pem"), cert.pem()).unwrap();
        std::fs::write(dir.join("key.pem"), key.serialize_pem()).unwrap();
        std::fs::write(dir.join("ca.pem"), &our_pem).unwrap();
        std::fs::write(dir.join("other.pem"), &other_pem).unwrap();
    });
    let at = |host: &str, ca: &str| {
        let ca = server.dir().join(ca).display().to_string();
        format!("rediss://{host}:{}?ca={ca}", server.port())
    };
    let ours = registry(&at("localhost", "ca.pem"));
    conformance::session_registry(&ours).await;
    conformance::stream_bus(&bus(&at("127.0.0.1", "ca.pem")), 300).await;
    let other = registry(&at("localhost", "other.pem")).check().await;
    assert!(other.unwrap_err().to_string().contains("certificate"));
    let plain = RedisTarget::parse(&at("h", "none.pem")).unwrap();
    let missing = RedisRegistry::new(&plain, RegistryConfig::default()).unwrap_err();
    assert_eq!(missing.kind, StoreErrorKind::Invalid);
    assert!(missing.to_string().contains("none.pem"), "{missing}");
}

#[tokio::test]
async fn a_server_that_is_killed_and_comes_back_is_survived() {
    let mut server = RedisServer::with("appendonly yes\nappendfsync always");
    let (registry, bus) = (registry(&server.url()), bus(&server.url()));
    let (session, stream) = (id("a"), StreamId::parse("s").unwrap());
    registry.put(&session, &named("Ann"), None).await.unwrap();
    registry.append(&session, "AAAA").await.unwrap();
    let before = bus
        .publish(&stream, Bytes::from_static(b"1"))
        .await
        .unwrap();
    assert_eq!(bus.read(&stream, None, 9).await.unwrap().entries.len(), 1);
    for round in 1..=2u64 {
        server.kill();
        for refused in [
            registry.session(&session).await.map(drop),
            registry.page(None, 10).await.map(drop),
            registry.buffer(&session, 0, 9).await.map(drop),
            registry.append(&session, "AAAA").await.map(drop),
            bus.publish(&stream, Bytes::new()).await.map(drop),
            bus.read(&stream, Some(before), 1).await.map(drop),
        ] {
            let refused = refused.unwrap_err();
            assert!(refused.is_transient(), "{refused}");
        }
        server.revive();
        // Whoever tried while it was away may have to wait a moment for the next try.
        until_it_works(async || registry.check().await).await;
        let there = registry.session(&session).await.unwrap();
        assert_eq!(
            (there.get("user_name"), there.buffer_len),
            (Some("Ann"), 4 * round)
        );
        assert_eq!(
            registry.append(&session, "BBBB").await.unwrap(),
            4 * round + 4
        );
        let next = bus
            .publish(&stream, Bytes::from_static(b"2"))
            .await
            .unwrap();
        assert_eq!(next.number, before.number + round);
        let read = bus.read(&stream, Some(before), 9).await.unwrap();
        assert_eq!((read.entries.len() as u64, read.restarted), (round, false));
    }
}

#[tokio::test]
async fn a_server_that_came_back_empty_begins_streams_anew() {
    let mut server = RedisServer::start();
    let bus = bus(&server.url());
    let stream = StreamId::parse("s").unwrap();
    for _ in 0..3 {
        bus.publish(&stream, Bytes::from_static(b"old"))
            .await
            .unwrap();
    }
    let old = bus.newest(&stream).await.unwrap();
    server.revive();
    // The first may find out that the connection is cut.
    let _ = bus.publish(&stream, Bytes::from_static(b"new")).await;
    until_it_works(async || bus.publish(&stream, Bytes::from_static(b"new")).await).await;
    let read = bus.read(&stream, old, 9).await.unwrap();
    assert!(read.restarted);
    assert!(
        read.entries
            .iter()
            .all(|e| e.data == "new" && Some(e.id) > old)
    );
    assert_eq!(bus.stats().restarts, 1);
}

#[tokio::test]
async fn a_server_that_hangs_is_not_waited_for() {
    let server = RedisServer::start();
    let config = RegistryConfig {
        link: LinkConfig {
            connect_timeout: Duration::from_millis(300),
            timeout: Duration::from_millis(300),
        },
        ..RegistryConfig::default()
    };
    let target = RedisTarget::parse(&server.url()).unwrap();
    let registry = RedisRegistry::new(&target, config).unwrap();
    registry.put(&id("a"), &named("Ann"), None).await.unwrap();
    server.pause(true);
    // Also what finds no connection does not wait for ever.
    for _ in 0..2 {
        let refused = registry.page(None, 10).await.unwrap_err();
        assert!(refused.is_transient(), "{refused}");
    }
    server.pause(false);
    let page = until_it_works(async || registry.page(None, 10).await).await;
    assert_eq!(page.sessions.len(), 1);
}

#[tokio::test]
async fn sentinel_leads_to_the_new_master() {
    let mut first = RedisServer::start();
    let second = RedisServer::with(&format!("replicaof 127.0.0.1 {}", first.port()));
    // Once a Sentinel has looked, it looks again after ten seconds.
    let mut master = raw(&first.url());
    wait_for(&mut || {
        let info: String = redis::cmd("INFO")
            .arg("replication")
            .query(&mut master)
            .unwrap();
        info.contains("state=online").then_some(())
    })
    .await;
    let sentinel = RedisServer::sentinel(first.port());
    let url = format!("redis+sentinel://127.0.0.1:{}/main", sentinel.port());
    let registry = registry(&url);
    let session = id("kept");
    registry.put(&session, &named("Ann"), None).await.unwrap();
    registry.append(&session, "AAAA").await.unwrap();
    // The replica has it, and the Sentinel knows the replica.
    let mut replica = raw(&second.url());
    let mut watch = raw(&format!("redis://127.0.0.1:{}", sentinel.port()));
    wait_for(&mut || {
        let mut get = redis::cmd("HGET");
        get.arg("session:kept").arg("audio_buffer");
        let has: Option<String> = get.query(&mut replica).unwrap_or_default();
        let mut master = redis::cmd("SENTINEL");
        let master: BTreeMap<String, String> =
            master.arg("MASTER").arg("main").query(&mut watch).unwrap();
        (has.as_deref() == Some("AAAA") && master["num-slaves"] == "1").then_some(())
    })
    .await;
    first.kill();
    let length = until_it_works(async || registry.append(&session, "BBBB").await).await;
    assert_eq!(length, 8);
    let there = registry.session(&session).await.unwrap();
    assert_eq!((there.get("user_name"), there.buffer_len), (Some("Ann"), 8));
    let role = redis::cmd("ROLE");
    // It cut its connections when it was promoted.
    let role: Vec<redis::Value> = role.query(&mut raw(&second.url())).unwrap();
    assert_eq!(
        redis::from_redis_value_ref::<String>(&role[0]).unwrap(),
        "master"
    );
}

#[tokio::test]
async fn both_conform_in_a_cluster_and_lists_are_of_all_its_masters() {
    let nodes: Vec<_> = (0..3).map(|_| cluster_node()).collect();
    let mut raws: Vec<_> = nodes.iter().map(|(node, _)| raw(&node.url())).collect();
    for (i, conn) in raws.iter_mut().enumerate() {
        let (first, last) = (i * 5_461, if i == 2 { 16_383 } else { i * 5_461 + 5_460 });
        let mut add = redis::cmd("CLUSTER");
        add.arg("ADDSLOTSRANGE")
            .arg(first)
            .arg(last)
            .exec(conn)
            .unwrap();
        let mut epoch = redis::cmd("CLUSTER");
        epoch.arg("SET-CONFIG-EPOCH").arg(i + 1).exec(conn).unwrap();
    }
    for (node, bus_port) in &nodes[1..] {
        let mut meet = redis::cmd("CLUSTER");
        meet.arg("MEET")
            .arg("127.0.0.1")
            .arg(node.port())
            .arg(*bus_port);
        meet.exec(&mut raws[0]).unwrap();
    }
    for conn in &mut raws {
        wait_for(&mut || {
            let info: String = redis::cmd("CLUSTER").arg("INFO").query(conn).unwrap();
            let is_one = info.contains("cluster_state:ok") && info.contains("cluster_size:3");
            is_one.then_some(())
        })
        .await;
    }
    let url = format!("redis+cluster://127.0.0.1:{}", nodes[1].0.port());
    let registry = registry(&url);
    conformance::session_registry(&registry).await;
    conformance::stream_bus(&bus(&url), 300).await;
    for i in 0..60 {
        registry
            .put(&id(&format!("s{i}")), &named("n"), None)
            .await
            .unwrap();
    }
    let sizes = raws
        .iter_mut()
        .map(|conn| redis::cmd("DBSIZE").query::<u64>(conn).unwrap());
    let sizes: Vec<_> = sizes.collect();
    assert!(
        sizes.iter().all(|n| *n > 0) && sizes.iter().sum::<u64>() == 60,
        "{sizes:?}"
    );
    let (mut listed, mut cursor) = (Vec::new(), None);
    loop {
        let page = registry.page(cursor.as_ref(), 7).await.unwrap();
        listed.extend(page.sessions.iter().map(|l| l.id().to_owned()));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    listed.sort();
    listed.dedup();
    assert_eq!(listed.len(), 60);
}

/// A node of a cluster that is yet to be, and the port of its bus.
fn cluster_node() -> (RedisServer, u16) {
    let bus = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = bus.local_addr().unwrap().port();
    drop(bus);
    let config = format!("cluster-enabled yes\ncluster-port {port}\ncluster-node-timeout 5000");
    (RedisServer::with(&config), port)
}

#[tokio::test]
async fn what_is_no_session_is_listed_as_such_and_hides_none() {
    let server = RedisServer::start();
    let mut conn = raw(&server.url());
    let registry = registry(&server.url());
    for i in 0..5 {
        registry
            .put(&id(&format!("good-{i}")), &named("n"), None)
            .await
            .unwrap();
    }
    let long = "x".repeat(300);
    for command in [
        redis::cmd("SET").arg("session:text").arg("pickled"),
        redis::cmd("RPUSH").arg("session:list").arg("a"),
        redis::cmd("HSET")
            .arg(b"session:\xff\xfe")
            .arg("a")
            .arg("1"),
        redis::cmd("HSET").arg("session:a\nb").arg("a").arg("1"),
        redis::cmd("HSET").arg("session:").arg("a").arg("1"),
        redis::cmd("HSET")
            .arg(format!("session:{long}"))
            .arg("a")
            .arg("1"),
        redis::cmd("SET").arg("sessions").arg("other"),
        redis::cmd("SET").arg("other").arg("other"),
    ] {
        command.exec(&mut conn).unwrap();
    }
    // A session whose fields are not what they should be.
    let large = vec![b'x'; 3 << 20];
    let mut hset = redis::cmd("HSET");
    hset.arg("session:odd")
        .arg("user_name")
        .arg(&large)
        .arg("user_id")
        .arg(b"\xff");
    hset.arg("authenticated")
        .arg("maybe")
        .arg("audio_buffer")
        .arg("%%%");
    for i in 0..100 {
        hset.arg(format!("extra-{i}")).arg(&large[..100]);
    }
    hset.arg(&large[..5_000]).arg("1").exec(&mut conn).unwrap();
    redis::cmd("PERSIST")
        .arg("session:odd")
        .exec(&mut conn)
        .unwrap();

    let page = registry.page(None, 1_000).await.unwrap();
    assert_eq!(page.next, None);
    let mut good = 0;
    let mut broken = BTreeMap::new();
    for listed in page.sessions {
        match listed {
            Listed::Session(record) if record.id.as_str() == "odd" => {
                assert!(!record.authenticated() && record.ttl.is_none());
                let name = record
                    .fields
                    .iter()
                    .find(|f| f.name == "user_name")
                    .unwrap();
                assert_eq!((name.value.as_str(), name.stored), ("", 3 << 20));
                assert_eq!(record.get("user_id"), Some("\u{fffd}"));
                assert_eq!(record.buffer_len, 3);
            }
            Listed::Session(_) => good += 1,
            Listed::Broken { id, why } => {
                broken.insert(id, why);
            }
            _ => unreachable!(),
        }
    }
    assert_eq!(good, 5);
    assert_eq!(broken.len(), 6, "{broken:?}");
    assert!(broken["text"].contains("not a hash") && broken["list"].contains("not a hash"));
    assert!(broken["a\u{fffd}b"].contains("control"), "{broken:?}");
    assert!(broken["\u{fffd}\u{fffd}"].contains("no text"), "{broken:?}");

    for wrong in ["text", "list"] {
        for refused in [
            registry.session(&id(wrong)).await.map(drop),
            registry.buffer(&id(wrong), 0, 1).await.map(drop),
            registry.append(&id(wrong), "AAAA").await.map(drop),
            registry.put(&id(wrong), &named("n"), None).await,
        ] {
            let refused = refused.unwrap_err();
            assert_eq!(refused.kind, StoreErrorKind::Invalid, "{refused}");
        }
    }
    let odd = registry.session(&id("odd")).await.unwrap();
    assert_eq!(odd.fields.len(), SessionFields::MAX);
    assert_eq!(odd.fields.len() as u64 + odd.more_fields + 1, 105);
    assert!(
        odd.fields
            .iter()
            .any(|f| f.name == "extra-0" && f.value.len() == 100)
    );
    assert_eq!(registry.buffer(&id("odd"), 0, 99).await.unwrap(), "%%%");
}

#[tokio::test]
async fn a_page_reads_no_buffers() {
    let server = RedisServer::start();
    let mut conn = raw(&server.url());
    let registry = registry(&server.url());
    let large = "A".repeat(14 << 20);
    let mut pipe = redis::pipe();
    for i in 0..1_000 {
        pipe.cmd("HSET")
            .arg(format!("session:{i:036}"))
            .arg("user_name")
            .arg("Ann")
            .ignore();
        pipe.cmd("SET").arg(format!("other:{i}")).arg("x").ignore();
    }
    pipe.exec(&mut conn).unwrap();
    for i in 0..3 {
        let mut hset = redis::cmd("HSET");
        hset.arg(format!("session:{i:036}"))
            .arg("audio_buffer")
            .arg(&large);
        hset.exec(&mut conn).unwrap();
    }
    let sent = |conn: &mut redis::Connection| {
        let info: String = redis::cmd("INFO").arg("stats").query(conn).unwrap();
        let line = info
            .lines()
            .find_map(|l| l.strip_prefix("total_net_output_bytes:"));
        line.unwrap().parse::<u64>().unwrap()
    };
    let (mut listed, mut pages, mut cursor, mut with_buffer) = (0, 0, None, 0);
    loop {
        let before = sent(&mut conn);
        let page = registry.page(cursor.as_ref(), 100).await.unwrap();
        let bytes = sent(&mut conn) - before;
        assert!(bytes < 1 << 20, "{bytes} bytes for a page");
        assert!(page.sessions.len() < 200, "{} of 100", page.sessions.len());
        for session in &page.sessions {
            let Listed::Session(record) = session else {
                panic!("{session:?}");
            };
            with_buffer += u64::from(record.buffer_len == 14 << 20);
        }
        listed += page.sessions.len();
        pages += 1;
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert!(
        (1_000..1_100).contains(&listed) && pages < 30,
        "{listed} in {pages}"
    );
    assert_eq!(with_buffer, 3);
    // To look whether something new has come costs next to nothing.
    let session = id(&format!("{:036}", 0));
    let before = sent(&mut conn);
    let end = registry.buffer(&session, 14 << 20, 1 << 20).await.unwrap();
    assert!(end.is_empty() && sent(&mut conn) - before < 10_000);
    registry.append(&session, "BBBB").await.unwrap();
    let new = registry.buffer(&session, 14 << 20, 1 << 20).await.unwrap();
    assert_eq!(new, "BBBB");
    assert!(sent(&mut conn) - before < 20_000);
}

#[tokio::test]
async fn a_buffer_grows_to_its_limit_and_no_further() {
    let server = RedisServer::with("user plain on nopass ~* +@all -@scripting");
    for user in ["", "plain:x@"] {
        let url = format!("redis://{user}127.0.0.1:{}", server.port());
        let config = RegistryConfig {
            max_buffer: 8,
            max_whole_read: 8,
            ..RegistryConfig::default()
        };
        let registry = RedisRegistry::new(&RedisTarget::parse(&url).unwrap(), config).unwrap();
        let session = id("a");
        registry.put(&session, &named("n"), None).await.unwrap();
        assert_eq!(registry.append(&session, "AAAA").await.unwrap(), 4);
        let full = registry.append(&session, "BBBBBBBB").await.unwrap_err();
        assert_eq!(full.kind, StoreErrorKind::Full);
        assert!(full.to_string().contains("8 characters"), "{full}");
        assert_eq!(registry.append(&session, "BBBB").await.unwrap(), 8);
        // Somebody else's may be longer.
        let mut longer = redis::cmd("HSET");
        longer
            .arg("session:b")
            .arg("audio_buffer")
            .arg("C".repeat(12));
        longer.exec(&mut raw(&server.url())).unwrap();
        let read = registry.buffer(&id("b"), 4, 100).await;
        match user {
            "" => assert_eq!(read.unwrap(), "CCCCCCCC"),
            _ => assert_eq!(read.unwrap_err().kind, StoreErrorKind::Invalid),
        }
        registry.delete(&session).await.unwrap();
    }
    for max_buffer in [0, 385 << 20] {
        let config = RegistryConfig {
            max_buffer,
            ..RegistryConfig::default()
        };
        let target = RedisTarget::parse(&server.url()).unwrap();
        assert!(RedisRegistry::new(&target, config).is_err());
    }
}
