//! Which tokens a head reads, in chunks.

use super::pages::Pages;
use crate::status::Fault;
use crate::view::{View, ViewMut, size, view};

/// Tokens of a chunk, whatever the number of threads, so that results do not depend on it.
const CHUNK: usize = 1024;

/// The tokens of a call.
pub struct Tokens {
    pub first: usize,
    pub rows: usize,
    pub total: usize,
    pub pages: Pages,
    /// (sink, window) of every key head.
    pub band: Option<View<i32>>,
    pub lists: Option<Lists>,
}

/// Lists of entries that name `step` tokens each.
pub struct Lists {
    ids: View<i32>,
    cap: usize,
    step: usize,
    /// Entries before the first that is below 0.
    lengths: Vec<usize>,
}

impl Lists {
    pub fn new(ids: *const i32, count: usize, cap: usize, step: usize) -> Result<Self, Fault> {
        let ids = view(ids, size(&[count, cap])?)?;
        let mut lengths = Vec::new();
        lengths.try_reserve_exact(count).map_err(|_| Fault::OutOfMemory)?;
        lengths.extend((0..count).map(|n| (0..cap).find(|&i| ids.at(n * cap + i) < 0).unwrap_or(cap)));
        Ok(Self { ids, cap, step: step.max(1), lengths })
    }

    /// Entries of a chunk.
    fn entries(&self) -> usize {
        (CHUNK / self.step).max(1)
    }
}

impl Tokens {
    /// Number of chunks.
    pub fn chunks(&self) -> usize {
        match &self.lists {
            Some(lists) if self.rows > 0 => {
                lists.lengths.iter().max().map_or(0, |most| most.div_ceil(lists.entries()))
            }
            _ => self.rows.div_ceil(CHUNK),
        }
    }

    /// Most tokens of a chunk.
    pub fn room(&self) -> Result<usize, Fault> {
        match &self.lists {
            Some(lists) => size(&[lists.entries(), lists.step.min(self.rows)]),
            None => Ok(CHUNK.min(self.rows)),
        }
    }

    /// Writes the places of the tokens of a chunk that key head `g` reads by list `list`; returns how many there are.
    pub fn collect(&self, g: usize, list: usize, chunk: usize, places: ViewMut<u32>) -> usize {
        let mut count = 0;
        let band = self.band.map(|band| [0, 1].map(|i| i64::from(band.at(2 * g + i))));
        let mut see = |row: usize| {
            let t = (self.first + row) as i64;
            let hidden = band.is_some_and(|[sink, window]| t >= sink && self.total as i64 - 1 - t >= window);
            if !hidden && let Some(place) = self.pages.place(g, row) {
                places.set(count, place as u32);
                count += 1;
            }
        };
        let Some(lists) = &self.lists else {
            (chunk * CHUNK..(chunk * CHUNK + CHUNK).min(self.rows)).for_each(see);
            return count;
        };
        let (entries, step, first) = (lists.entries(), lists.step as u64, self.first as u64);
        for i in chunk * entries..(chunk * entries + entries).min(lists.lengths[list]) {
            let token = lists.ids.at(list * lists.cap + i) as u64 * step;
            let (begin, end) = (token.max(first), (token + step).min(first + self.rows as u64));
            (begin..end).for_each(|t| see((t - first) as usize));
        }
        count
    }
}
