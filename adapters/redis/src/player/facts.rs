//! How a buffer sounds, kept with it: heard once, however many ask.

use std::future::Future;
use std::sync::Arc;

use audiox_io::sound::PcmWish;

use super::analysis::Heard;
use super::error::PlayerError;

/// How one buffer sounds, in each way of reading it that was asked for.
#[derive(Debug, Default)]
pub(super) struct Facts(tokio::sync::Mutex<Vec<(PcmWish, Arc<Heard>)>>);

impl Facts {
    /// What is known, or what `hear` finds. Others who ask wait meanwhile.
    pub(super) async fn get(
        &self,
        wish: PcmWish,
        hear: impl Future<Output = Result<Heard, PlayerError>>,
    ) -> Result<Arc<Heard>, PlayerError> {
        let mut known = self.0.lock().await;
        if let Some((_, heard)) = known.iter().find(|(w, _)| *w == wish) {
            return Ok(heard.clone());
        }
        let heard = Arc::new(hear.await?);
        if known.len() >= MOST {
            known.remove(0);
        }
        known.push((wish, heard.clone()));
        Ok(heard)
    }
}

const MOST: usize = 4;
