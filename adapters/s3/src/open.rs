//! From the URL of a store to the store.

mod profile;

use std::collections::HashMap;
use std::env;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use audiox_core::store::{SegmentStore, StoreError, StoreErrorKind};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};

use crate::ObjectSegmentStore;
use crate::error;
use profile::Profile;

/// How a store is reached, beside its URL. `Default` knows nothing;
/// [`from_env`](Self::from_env) is what programs want.
#[derive(Clone, Default)]
pub struct StoreOptions {
    /// Makes a bucket that is not there. Off by default: a bucket by a wrong name costs money.
    pub create_bucket: bool,
    /// The address of a service other than Amazon's, `http://127.0.0.1:9000`; before
    /// `AWS_ENDPOINT_URL`.
    pub endpoint: Option<String>,
    /// A profile of the credentials and configuration files; before `AWS_PROFILE`.
    pub profile: Option<String>,
    vars: HashMap<String, String>,
}

impl StoreOptions {
    /// Options from the process's environment: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
    /// `AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_ENDPOINT_URL`, `AWS_PROFILE`,
    /// `AWS_SHARED_CREDENTIALS_FILE`, `AWS_CONFIG_FILE`, and the others that `object_store` knows.
    pub fn from_env() -> Self {
        let wanted = |name: &str| name.starts_with("AWS_") || name == "HOME";
        let vars = env::vars_os().filter_map(|(name, value)| {
            let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
            wanted(&name).then_some((name, value))
        });
        Self {
            vars: vars.collect(),
            ..Self::default()
        }
    }

    /// The same with a variable of the environment set.
    #[must_use]
    pub fn with_var(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.vars.insert(name.into(), value.into());
        self
    }

    fn var(&self, name: &str) -> Option<&str> {
        let value = self.vars.get(name).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }

    /// The profile's settings. An empty one where none is named and no file is there.
    fn profile(&self) -> Result<Profile, String> {
        let named = self.profile.as_deref().or_else(|| self.var("AWS_PROFILE"));
        let name = named.unwrap_or("default");
        let file = |var: &str, usual: &str| match self.var(var) {
            Some(path) => Some(PathBuf::from(path)),
            None => Some(PathBuf::from(self.var("HOME")?).join(".aws").join(usual)),
        };
        let read = |path: Option<PathBuf>| path.and_then(|path| fs::read_to_string(path).ok());
        let credentials = read(file("AWS_SHARED_CREDENTIALS_FILE", "credentials"));
        let config = read(file("AWS_CONFIG_FILE", "config"));
        let profile = Profile::of(
            name,
            credentials.as_deref().unwrap_or_default(),
            config.as_deref().unwrap_or_default(),
        );
        match (profile, named) {
            (Some(profile), _) => Ok(profile),
            (None, None) => Ok(Profile::default()),
            (None, Some(name)) => Err(format!(
                "profile {name} stands neither in the credentials file nor in the configuration file"
            )),
        }
    }
}

impl std::fmt::Debug for StoreOptions {
    /// Without the environment: it holds secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreOptions")
            .field("create_bucket", &self.create_bucket)
            .field("endpoint", &self.endpoint)
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

/// The store at `url`: `s3://bucket/prefix`, a folder's path or `file://` URL (made where it is
/// not there), or `memory:`. It was [checked](SegmentStore::check), so what is wrong with it is
/// told now; an error that [is transient](StoreError::is_transient) says that it cannot be
/// reached at the moment.
///
/// # Errors
/// The URL is none of these, a bucket is not there, access is denied, or the store cannot be
/// reached.
pub async fn open(url: &str, options: &StoreOptions) -> Result<ObjectSegmentStore, StoreError> {
    let store = connect(url, options).await?;
    store.check().await.map_err(|e| advise(url, e))?;
    Ok(store)
}

/// The same without the check and with nothing sent, unless a bucket is to be made: for programs
/// that go on without a store that is away.
///
/// # Errors
/// The URL is none of those, the folder or bucket cannot be made, or a setting is wrong.
pub async fn connect(url: &str, options: &StoreOptions) -> Result<ObjectSegmentStore, StoreError> {
    match url.split_once("://") {
        Some(("s3", rest)) => bucket(url, rest, options).await,
        Some(("file", path)) => folder(path),
        Some((scheme, _)) => Err(refuse(
            url,
            format_args!("{scheme}:// is no store; known are s3://bucket/prefix and folders"),
        )),
        None if url == "memory:" => {
            let memory = Arc::new(InMemory::new());
            Ok(ObjectSegmentStore::new(memory, Path::default(), url))
        }
        None if url.is_empty() => Err(refuse("the store", "it has no name")),
        None => folder(url),
    }
}

fn folder(path: &str) -> Result<ObjectSegmentStore, StoreError> {
    fs::create_dir_all(path).map_err(|e| error::from_io(path, "folder", e))?;
    let files = LocalFileSystem::new_with_prefix(path)
        .map_err(|e| error::from_object_store(path, "folder", e))?
        // What the spool has given up must be on the disk.
        .with_fsync(true);
    Ok(ObjectSegmentStore::new(
        Arc::new(files),
        Path::default(),
        path,
    ))
}

async fn bucket(
    url: &str,
    rest: &str,
    options: &StoreOptions,
) -> Result<ObjectSegmentStore, StoreError> {
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let name_is_good = (3..=63).contains(&bucket.len())
        && bucket
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
    if !name_is_good {
        return Err(refuse(
            url,
            "a bucket's name is 3 to 63 letters, digits, hyphens, dots or underscores",
        ));
    }
    let prefix = Path::parse(prefix.trim_end_matches('/')).map_err(|e| refuse(url, e))?;
    let client = client(url, bucket, options)?;
    if options.create_bucket {
        create_bucket(url, bucket, &client, options).await?;
    }
    let client: Arc<dyn ObjectStore> = Arc::new(client);
    Ok(ObjectSegmentStore::new(client, prefix, url))
}

fn client(url: &str, bucket: &str, options: &StoreOptions) -> Result<AmazonS3, StoreError> {
    install_crypto();
    let profile = options.profile().map_err(|e| refuse(url, e))?;
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        // The store's caller repeats what fails; here only blinks are bridged.
        .with_retry(RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(1),
                base: 2.0,
            },
            max_retries: 2,
            retry_timeout: Duration::from_secs(10),
        });
    let set = |builder: AmazonS3Builder, key: AmazonS3ConfigKey, value: Option<&String>| match value
    {
        Some(value) => builder.with_config(key, value),
        None => builder,
    };
    builder = set(builder, AmazonS3ConfigKey::Region, profile.get("region"));
    let mut endpoint = profile.get("endpoint_url").cloned();
    for (name, value) in &options.vars {
        // An endpoint is settled below, by its own order.
        let known = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>();
        match (name.as_str(), known) {
            ("AWS_ENDPOINT_URL" | "AWS_ENDPOINT_URL_S3" | "AWS_ENDPOINT", _) => {}
            (_, Ok(key)) if !value.is_empty() => builder = builder.with_config(key, value),
            _ => {}
        }
    }
    // Keys of the environment go before those of a profile, unless that was asked for by name.
    let named = options.profile.is_some() || options.var("AWS_PROFILE").is_some();
    if named || options.var("AWS_ACCESS_KEY_ID").is_none() {
        for (key, name) in [
            (AmazonS3ConfigKey::AccessKeyId, "aws_access_key_id"),
            (AmazonS3ConfigKey::SecretAccessKey, "aws_secret_access_key"),
            (AmazonS3ConfigKey::Token, "aws_session_token"),
        ] {
            builder = set(builder, key, profile.get(name));
        }
    }
    for name in ["AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"] {
        endpoint = options.var(name).map(str::to_owned).or(endpoint);
    }
    endpoint = options.endpoint.clone().or(endpoint);
    let mut client = ClientOptions::new()
        .with_connect_timeout(Duration::from_secs(5))
        .with_timeout(Duration::from_secs(60));
    if let Some(endpoint) = endpoint {
        let plain = endpoint.starts_with("http://");
        if !plain && !endpoint.starts_with("https://") {
            let why = format!("endpoint {endpoint} is neither http:// nor https://");
            return Err(refuse(url, why));
        }
        client = client.with_allow_http(plain);
        builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
    }
    builder
        .with_client_options(client)
        .build()
        .map_err(|e| error::from_object_store(url, "settings", e))
}

/// `object_store` makes no buckets, but it signs URLs, and the URL of nothing in a bucket is the
/// bucket's.
async fn create_bucket(
    url: &str,
    bucket: &str,
    client: &AmazonS3,
    options: &StoreOptions,
) -> Result<(), StoreError> {
    let failed = |why: &dyn std::fmt::Display, kind| {
        StoreError::new(
            kind,
            url.to_owned(),
            format_args!("create bucket {bucket}: {why}"),
        )
    };
    let signed = client
        .signed_url(
            reqwest::Method::PUT,
            &Path::default(),
            Duration::from_secs(60),
        )
        .await
        .map_err(|e| error::from_object_store(url, "create bucket", e))?;
    let profile = options.profile().map_err(|e| refuse(url, e))?;
    let region = options
        .var("AWS_REGION")
        .or_else(|| options.var("AWS_DEFAULT_REGION"))
        .or_else(|| profile.get("region").map(String::as_str));
    // Its absence means us-east-1, which must not be named.
    let body = match region {
        None | Some("us-east-1") => String::new(),
        Some(region) => format!(
            "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
        ),
    };
    let http = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(5))
        .timeout(Duration::from_secs(30))
        .build()
        .map_err(|e| failed(&e, StoreErrorKind::Other))?;
    let answer = http.put(signed).body(body).send().await;
    // The signed URL is as good as a password for a minute: not into the message.
    let answer = answer.map_err(|e| failed(&e.without_url(), StoreErrorKind::Transient))?;
    let status = answer.status();
    match status.as_u16() {
        200..300 => Ok(()),
        // It is there already; whether it is ours, the check finds out.
        409 => Ok(()),
        401 | 403 => Err(failed(&status, StoreErrorKind::Denied)),
        500.. => Err(failed(&status, StoreErrorKind::Transient)),
        _ => Err(failed(&status, StoreErrorKind::Other)),
    }
}

/// One provider of cryptography serves the whole process; whoever chose one before is right.
fn install_crypto() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Says what to do about what the check found.
fn advise(url: &str, mut e: StoreError) -> StoreError {
    let advice = match e.kind {
        StoreErrorKind::NotFound => "is there such a bucket? --create-bucket makes it",
        StoreErrorKind::Denied => "may these credentials read and write here?",
        StoreErrorKind::Transient => "is the service running, and the endpoint right?",
        _ => return e,
    };
    if url.starts_with("s3://") {
        e.message = format!("{}; {advice}", e.message);
    }
    e
}

fn refuse(url: &str, why: impl std::fmt::Display) -> StoreError {
    StoreError::new(StoreErrorKind::Invalid, url.to_owned(), why)
}
