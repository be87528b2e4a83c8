//! The kernel: reads the commonest lines of a chunk, as a compiled part of the package that may be absent.

#![forbid(unsafe_code)]

use pyo3::prelude::*;

/// The number of the interface that this module has; `compiled.py` takes no other one.
pub const INTERFACE: u32 = 1;

/// The module `shipper.decode._kernel`.
#[pymodule]
mod _kernel {
    use super::{PyModule, PyResult};
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("INTERFACE", super::INTERFACE)
    }

    /// How many lines end in `chunk`.
    #[pyfunction]
    fn count_lines(chunk: &[u8]) -> usize {
        super::count_lines(chunk)
    }
}

/// How many lines end in `chunk`.
pub fn count_lines(chunk: &[u8]) -> usize {
    chunk.iter().filter(|&&byte| byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::count_lines;

    #[test]
    fn a_line_counts_when_it_ends() {
        assert_eq!(count_lines(b"one\ntwo\r\nthr"), 2);
    }
}
