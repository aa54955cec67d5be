//! Where the parts of a plan lie.

use crate::status::Fault;
use crate::view::size;

/// Offset of a part that a plan does not have.
pub const NO_PART: u32 = u32::MAX;

/// The numbers of the record of a call, in the order of the schema.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Layout {
    pub heads: u32,
    pub kv_heads: u32,
    pub head_dim: u32,
    pub lq: u32,
    pub lk: u32,
    pub plan_head: u32,
    pub block_q: u32,
    pub tile_k: u32,
    pub tiles_at: u32,
    pub tile_cap: u32,
    pub bits_at: u32,
    pub column_of_at: u32,
    pub columns_at: u32,
    pub column_cap: u32,
    pub lists: u32,
    pub q_order_at: u32,
    pub k_order_at: u32,
    pub band_at: u32,
    pub kvtype: u32,
    pub causal: u32,
    pub stat_kind: u32,
    pub scale: f32,
}

impl Layout {
    /// Elements of the plan's matrix up to the end of the last head's last part.
    pub fn words(&self) -> Result<usize, Fault> {
        let blocks = self.lq.div_ceil(self.block_q);
        let parts = [
            (self.tiles_at, [blocks, self.tile_cap, 1, 1]),
            (self.bits_at, [blocks, self.tile_cap, self.block_q, self.tile_k.div_ceil(32)]),
            (self.column_of_at, [blocks, 1, 1, 1]),
            (self.columns_at, [self.lists, self.column_cap, 1, 1]),
            (self.q_order_at, [self.lq, 1, 1, 1]),
            (self.k_order_at, [self.lk, 1, 1, 1]),
            (self.band_at, [2, 1, 1, 1]),
        ];
        let mut end = 0;
        for (at, sizes) in parts.into_iter().filter(|&(at, _)| at != NO_PART) {
            let part = size(&sizes.map(|n| n as usize))?;
            end = end.max(part.checked_add(at as usize).ok_or(Fault::BadArguments)?);
        }
        let before = size(&[self.heads as usize - 1, self.plan_head as usize])?;
        before.checked_add(end).ok_or(Fault::BadArguments)
    }
}
