//! The compiled kernel, an optional part of the package: makes the events of the commonest lines of a chunk.
//!
//! Python (`parser.py`) decides what a line means and supplies event templates with gaps. The kernel knows no clock, no file, and
//! no event field but the user's, which OCSF moves (`who.rs`). The general path takes every line that the kernel is unsure of.

#![forbid(unsafe_code)]

mod batch;
mod caches;
mod completions;
#[cfg(test)]
mod drawn;
mod exchanges;
mod generation;
mod held;
mod kernel;
mod known;
mod line;
mod runs;
mod shapes;
mod stamp;
mod template;
mod turn;
mod who;
mod writing;

use pyo3::prelude::*;

/// The version of this module's interface; `compiled.py` accepts no other.
pub const INTERFACE: u32 = 11;

/// The module `shipper.decode._kernel`.
#[pymodule]
mod _kernel {
    use super::{PyModule, PyResult};
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::batch::{Labels, Texts};
    #[pymodule_export]
    use crate::completions::{Completions, Durations};
    #[pymodule_export]
    use crate::exchanges::OpenExchanges;
    #[pymodule_export]
    use crate::generation::Generation;
    #[pymodule_export]
    use crate::held::HeldEvents;
    #[pymodule_export]
    use crate::kernel::Kernel;
    #[pymodule_export]
    use crate::runs::Runs;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("INTERFACE", super::INTERFACE)
    }
}
