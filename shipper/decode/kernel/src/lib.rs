//! The kernel: makes the events of the commonest lines of a chunk, as a compiled part of the package that may be absent.
//!
//! It knows no clock and no file, and of the fields of an event only those of a user, which OCSF puts in other places (`who.rs`). What a line means is decided in Python (`parser.py`); events are templates
//! that Python made, with gaps. It refuses every line of which it is not sure, and the general path takes that.

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

/// The number of the interface that this module has; `compiled.py` takes no other one.
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
