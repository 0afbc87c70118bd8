use audiox_core::store::{SegmentKey, SegmentMeta, StoreError, StreamId, TimeRange};
use futures_util::TryStreamExt;
use object_store::path::Path;

use super::Objects;
use crate::json;

/// The index of a stream: its pages' numbers, and the last page's entries.
///
/// Pages are in order, and so are the entries in each.
pub(super) struct Index {
    stream: StreamId,
    /// Ascending. Age takes the first ones away, so they need not begin with 0.
    pages: Vec<u64>,
    /// Entries of the last page; empty where there is none.
    last: Vec<SegmentMeta>,
}

impl Index {
    pub(super) async fn load(o: &Objects, stream: &StreamId) -> Result<Self, StoreError> {
        let folder = o.path(&[stream.as_str(), FOLDER]);
        let mut pages: Vec<u64> = o
            .store
            .list(Some(&folder))
            .try_filter_map(async |object| Ok(number(&object.location)))
            .try_collect()
            .await
            .map_err(|e| o.error(&folder, e))?;
        pages.sort_unstable();
        let mut this = Self {
            stream: stream.clone(),
            pages,
            last: Vec::new(),
        };
        if let Some(last) = this.pages.last() {
            this.last = this.page(o, *last).await?;
        }
        Ok(this)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// The entry of `key`, if there is one.
    pub(super) async fn find(
        &self,
        o: &Objects,
        key: &SegmentKey,
    ) -> Result<Option<SegmentMeta>, StoreError> {
        let Some((_, metas)) = self.place(o, key.second).await? else {
            return Ok(None);
        };
        Ok(at(&metas, key.second).ok().map(|i| metas[i].clone()))
    }

    /// Entries of segments in `range`.
    pub(super) async fn range(
        &self,
        o: &Objects,
        range: TimeRange,
    ) -> Result<Vec<SegmentMeta>, StoreError> {
        // Not "at or before": a page may end with an entry that begins where the next one does.
        let first = self
            .last_page_where(o, |first| first.media_start < range.from)
            .await?
            .unwrap_or(0);
        let mut found = Vec::new();
        for i in first..self.pages.len() {
            let metas = self.nth(o, i).await?;
            let past = metas
                .last()
                .is_some_and(|meta| meta.media_start >= range.to);
            found.extend(metas.into_iter().filter(|meta| range.holds(meta)));
            if past {
                break;
            }
        }
        Ok(found)
    }

    /// Adds an entry whose key has none.
    pub(super) async fn insert(
        &mut self,
        o: &Objects,
        meta: &SegmentMeta,
    ) -> Result<(), StoreError> {
        let second = meta.key.second;
        let newest = self.last.last().is_none_or(|last| last.key.second < second);
        if newest && (self.pages.is_empty() || self.last.len() >= PER_PAGE) {
            let number = self.pages.last().map_or(0, |n| n + 1);
            let metas = vec![meta.clone()];
            self.write(o, number, &metas).await?;
            self.pages.push(number);
            self.last = metas;
            return Ok(());
        }
        let place = self.place(o, second).await?;
        let (i, mut metas) = place.expect("there are pages");
        let before = at(&metas, second).unwrap_or_else(|before| before);
        metas.insert(before, meta.clone());
        self.write(o, self.pages[i], &metas).await?;
        if i + 1 == self.pages.len() {
            self.last = metas;
        }
        Ok(())
    }

    /// Takes an entry away, and its page where that was the last in it.
    pub(super) async fn remove(&mut self, o: &Objects, key: &SegmentKey) -> Result<(), StoreError> {
        let Some((i, mut metas)) = self.place(o, key.second).await? else {
            return Ok(());
        };
        let Ok(found) = at(&metas, key.second) else {
            return Ok(());
        };
        metas.remove(found);
        let is_last = i + 1 == self.pages.len();
        if metas.is_empty() {
            o.delete(&self.path(o, self.pages[i])).await?;
            self.pages.remove(i);
            if is_last {
                self.last = match self.pages.last() {
                    Some(last) => self.page(o, *last).await?,
                    None => Vec::new(),
                };
            }
        } else {
            self.write(o, self.pages[i], &metas).await?;
            if is_last {
                self.last = metas;
            }
        }
        Ok(())
    }

    /// The page (its place in `pages`, and its entries) that a second lies in or next to.
    async fn place(
        &self,
        o: &Objects,
        second: u64,
    ) -> Result<Option<(usize, Vec<SegmentMeta>)>, StoreError> {
        if self.pages.is_empty() {
            return Ok(None);
        }
        let i = self
            .last_page_where(o, |first| first.key.second <= second)
            .await?
            .unwrap_or(0);
        Ok(Some((i, self.nth(o, i).await?)))
    }

    /// The last page whose first entry fits, by halving.
    async fn last_page_where(
        &self,
        o: &Objects,
        fits: impl Fn(&SegmentMeta) -> bool,
    ) -> Result<Option<usize>, StoreError> {
        // The usual case costs nothing: what is new belongs to the last page.
        if self.last.first().is_some_and(&fits) {
            return Ok(self.pages.len().checked_sub(1));
        }
        let (mut low, mut high) = (0, self.pages.len().saturating_sub(1));
        while low < high {
            let middle = low + (high - low) / 2;
            if self.nth(o, middle).await?.first().is_some_and(&fits) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low.checked_sub(1))
    }

    async fn nth(&self, o: &Objects, i: usize) -> Result<Vec<SegmentMeta>, StoreError> {
        if i + 1 == self.pages.len() {
            Ok(self.last.clone())
        } else {
            self.page(o, self.pages[i]).await
        }
    }

    async fn page(&self, o: &Objects, number: u64) -> Result<Vec<SegmentMeta>, StoreError> {
        let path = self.path(o, number);
        let bytes = o.get(&path, json::MAX_PAGE as u64).await?;
        json::read_page(&self.stream, &bytes).map_err(|e| o.invalid(&path, e))
    }

    async fn write(
        &self,
        o: &Objects,
        number: u64,
        metas: &[SegmentMeta],
    ) -> Result<(), StoreError> {
        o.put(&self.path(o, number), json::write_page(metas)).await
    }

    fn path(&self, o: &Objects, number: u64) -> Path {
        o.path(&[self.stream.as_str(), FOLDER, &format!("{number}.json")])
    }
}

fn at(metas: &[SegmentMeta], second: u64) -> Result<usize, usize> {
    metas.binary_search_by_key(&second, |meta| meta.key.second)
}

fn number(path: &Path) -> Option<u64> {
    let digits = path.filename()?.strip_suffix(".json")?;
    let number = digits.parse().ok()?;
    // Any other spelling would be another object.
    (format!("{number}") == digits).then_some(number)
}

const FOLDER: &str = "index";
const PER_PAGE: usize = 256;
