//! Where rows lie: in order, or in pages that a table lists.

use crate::status::Fault;
use crate::view::{View, extent, size, view};

/// The places of the rows of all heads.
#[derive(Clone, Copy)]
pub struct Pages {
    table: Option<View<i32>>,
    page: usize,
    head: usize,
}

impl Pages {
    /// The pages of rows `0..rows`, and how many places they reach.
    pub fn new(
        table: *const i32,
        heads: usize,
        rows: usize,
        page: u32,
        head: u32,
    ) -> Result<(Self, usize), Fault> {
        let (page, head) = (page as usize, head as usize);
        if table.is_null() {
            return Ok((Self { table: None, page, head }, rows));
        }
        if page == 0 {
            return Err(Fault::BadArguments);
        }
        let pages = rows.div_ceil(page);
        let table = view(table, extent(0, &[(heads, head), (pages, 1)])?)?;
        let entries = (0..heads).flat_map(|g| (0..pages).map(move |n| table.at(g * head + n)));
        let last = entries.max().map_or(0, |last| (i64::from(last) + 1).max(0) as usize);
        Ok((Self { table: Some(table), page, head }, size(&[last, page])?))
    }

    /// The place of a row of head `g`, if it is not missing.
    #[inline(always)]
    pub fn place(&self, g: usize, row: usize) -> Option<usize> {
        let Some(table) = self.table else { return Some(row) };
        let page = table.at(g * self.head + row / self.page);
        (page >= 0).then(|| page as usize * self.page + row % self.page)
    }
}
