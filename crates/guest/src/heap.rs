//! The heap: blocks of powers of two, taken from one region, kept in a list per size once freed.
//!
//! Every operation takes constant time but for the copying in `realloc`, and addresses depend on
//! nothing but the sequence of requests, so a run has one trace.

use core::{
    alloc::{GlobalAlloc, Layout},
    cell::UnsafeCell,
    ptr::{NonNull, null_mut},
};

/// Size of the region. Memory that is never touched costs nothing.
const HEAP_BYTES: usize = 1 << 30;
const SMALLEST_SHIFT: u32 = 4;
const CLASSES: usize = 31;

#[repr(align(4096))]
struct Region(UnsafeCell<[u8; HEAP_BYTES]>);

// SAFETY: there is one thread.
unsafe impl Sync for Region {}

static REGION: Region = Region(UnsafeCell::new([0; HEAP_BYTES]));

struct Heap(UnsafeCell<Blocks>);

struct Blocks {
    /// Bytes of the region handed out so far.
    used: usize,
    /// Head of the list of free blocks of each size; a free block begins with the next one.
    free: [Option<NonNull<Free>>; CLASSES],
}

struct Free {
    next: Option<NonNull<Free>>,
}

// SAFETY: there is one thread.
unsafe impl Sync for Heap {}

#[global_allocator]
static HEAP: Heap = Heap(UnsafeCell::new(Blocks { used: 0, free: [None; CLASSES] }));

fn class(layout: Layout) -> usize {
    let bytes = layout.size().max(layout.align()).max(1 << SMALLEST_SHIFT);
    (bytes.next_power_of_two().trailing_zeros() - SMALLEST_SHIFT) as usize
}

fn class_bytes(class: usize) -> usize {
    1 << (class as u32 + SMALLEST_SHIFT)
}

// SAFETY: blocks are aligned to min(their size, 4096) or to the layout's alignment if that is more,
// never overlap, and are reused only after they were freed.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: one thread, and no reference to the blocks outlives a call.
        let blocks = unsafe { &mut *self.0.get() };
        let class = class(layout);
        let Some(free) = blocks.free.get_mut(class) else { return null_mut() };
        if let Some(block) = *free {
            // SAFETY: blocks in the list are free and hold their successor.
            *free = unsafe { block.as_ref().next };
            return block.as_ptr().cast();
        }
        let base = REGION.0.get() as usize;
        let start =
            (base + blocks.used).next_multiple_of(class_bytes(class).min(4096).max(layout.align())) - base;
        let Some(end) = start.checked_add(class_bytes(class)).filter(|&end| end <= HEAP_BYTES) else {
            return null_mut();
        };
        blocks.used = end;
        // SAFETY: start lies in the region.
        unsafe { REGION.0.get().cast::<u8>().add(start) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: one thread, and no reference to the blocks outlives a call.
        let blocks = unsafe { &mut *self.0.get() };
        let Some(free) = blocks.free.get_mut(class(layout)) else { return };
        if let Some(block) = NonNull::new(pointer.cast::<Free>()) {
            // SAFETY: the block is the caller's to give and holds at least 16 bytes, aligned to 16.
            unsafe { block.write(Free { next: *free }) };
            *free = Some(block);
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let Ok(new_layout) = Layout::from_size_align(new_size, layout.align()) else { return null_mut() };
        if class(layout) == class(new_layout) {
            return pointer;
        }
        // SAFETY: both blocks hold the smaller of the two sizes and do not overlap.
        unsafe {
            let block = self.alloc(new_layout);
            if !block.is_null() {
                block.copy_from_nonoverlapping(pointer, layout.size().min(new_size));
                self.dealloc(pointer, layout);
            }
            block
        }
    }
}
