//! Requests to a relay.

use std::time::Duration;

use audiox_core::store::{StoredFormat, StreamId};
use serde_json::{Map, Value};
use ureq::http::Response;
use ureq::tls::{Certificate, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

use super::{ClientError, Connect};
use crate::api::OFFSET;
use crate::format;

/// A relay that requests are sent to, over a connection that is kept.
pub(super) struct Link {
    agent: Agent,
    connect: Connect,
}

impl Link {
    pub(super) fn new(connect: Connect) -> Result<Self, ClientError> {
        let mut config = Agent::config_builder()
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(ANSWER))
            .timeout_send_body(Some(ANSWER))
            .http_status_as_error(false)
            .user_agent("audiox");
        if let Some(pem) = &connect.trust {
            let mut certificates: Vec<Certificate<'static>> = Vec::new();
            for item in parse_pem(pem.as_bytes()) {
                if let Ok(ureq::tls::PemItem::Certificate(certificate)) = item {
                    certificates.push(certificate);
                }
            }
            let roots = RootCerts::new_with_certs(&certificates);
            config = config.tls_config(TlsConfig::builder().root_certs(roots).build());
        }
        Ok(Self {
            agent: config.build().into(),
            connect,
        })
    }

    /// Makes a stream.
    pub(super) fn create(
        &self,
        name: Option<&str>,
        format: &StoredFormat,
    ) -> Result<StreamId, ClientError> {
        let mut wanted: Map<String, Value> = match format::describe(format) {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        if let Some(name) = name {
            wanted.insert("name".to_owned(), name.into());
        }
        let body = Value::Object(wanted).to_string();
        let told = self.post_to("/api/streams", None, "application/json", body.as_bytes())?;
        let id = told.get("stream_id").and_then(Value::as_str);
        id.and_then(|id| StreamId::parse(id).ok())
            .ok_or_else(|| self.no_relay("no stream_id in its answer"))
    }

    /// What is known of a stream.
    fn stream(&self, id: &StreamId) -> Result<Value, ClientError> {
        let url = format!("{}/api/streams/{id}", self.connect.relay.base());
        let mut request = self.agent.get(url);
        if let Some(token) = &self.connect.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        self.told(request.call())
    }

    /// What a stream's bytes are.
    pub(super) fn format(&self, id: &StreamId) -> Result<StoredFormat, ClientError> {
        self.format_of(&self.stream(id)?)
    }

    /// What a live stream's bytes are, and how many it has.
    pub(super) fn live(&self, id: &StreamId) -> Result<(StoredFormat, u64), ClientError> {
        let told = self.stream(id)?;
        if told.get("is_live") != Some(&Value::Bool(true)) {
            return Err(self.refused(format!("stream {id} has ended")));
        }
        let offset = told.get("offset").and_then(Value::as_u64).unwrap_or(0);
        Ok((self.format_of(&told)?, offset))
    }

    fn format_of(&self, told: &Value) -> Result<StoredFormat, ClientError> {
        let format = format::Wanted::of(told).format();
        format.map_err(|e| self.no_relay(&e.to_string()))
    }

    pub(super) fn post(&self, id: &StreamId, offset: u64, data: &[u8]) -> Result<(), ClientError> {
        let path = format!("/api/streams/{id}/audio");
        self.post_to(&path, Some(offset), "application/octet-stream", data)?;
        Ok(())
    }

    pub(super) fn end(&self, id: &StreamId) -> Result<(), ClientError> {
        let path = format!("/api/streams/{id}/end");
        self.post_to(&path, None, "application/json", b"")?;
        Ok(())
    }

    fn post_to(
        &self,
        path: &str,
        offset: Option<u64>,
        kind: &str,
        body: &[u8],
    ) -> Result<Value, ClientError> {
        let mut request = self
            .agent
            .post(format!("{}{path}", self.connect.relay.base()))
            .header("Content-Type", kind);
        if let Some(token) = &self.connect.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        if let Some(offset) = offset {
            request = request.header(OFFSET, offset.to_string());
        }
        self.told(request.send(body))
    }

    /// The JSON of an answer, or what went wrong.
    fn told(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<Value, ClientError> {
        let mut answer = match answer {
            Ok(answer) => answer,
            Err(e @ (ureq::Error::BadUri(_) | ureq::Error::Tls(_) | ureq::Error::Pem(_))) => {
                return Err(self.refused(e.to_string()));
            }
            Err(e) => return Err(self.away(e.to_string())),
        };
        let status = answer.status();
        let text = answer.body_mut().read_to_string();
        let text = text.map_err(|e| self.away(e.to_string()))?;
        let told: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        let reason = || match told.get("error").and_then(Value::as_str) {
            Some(error) => error.to_owned(),
            None => format!("it answers {status}"),
        };
        match status.as_u16() {
            200..300 if told.is_object() => Ok(told),
            200..300 => Err(self.no_relay("it answers something that is not JSON")),
            // It starts, it is full, or something in between is out of order.
            408 | 429 | 500..600 => Err(self.away(reason())),
            _ => Err(self.refused(reason())),
        }
    }

    fn refused(&self, reason: String) -> ClientError {
        let relay = self.connect.relay.base();
        ClientError::Refused { relay, reason }
    }

    fn away(&self, reason: String) -> ClientError {
        let relay = self.connect.relay.base();
        ClientError::Away { relay, reason }
    }

    fn no_relay(&self, reason: &str) -> ClientError {
        ClientError::NoRelay {
            relay: self.connect.relay.base(),
            reason: reason.to_owned(),
        }
    }
}

const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(10);
