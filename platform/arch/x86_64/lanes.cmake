# SPDX-License-Identifier: MIT
# The sets of instructions that lanes_arch.h knows beside the scalar one, and what the compiler needs for each.
set(LANES AVX2 AVX512)
set(LANES_OPTIONS_AVX2 -mavx2 -mbmi -mpopcnt)
set(LANES_OPTIONS_AVX512 -mavx512f -mbmi -mpopcnt)
