// The battery (tests/function_case.h) of the functions that make complex numbers and take them apart, and of the transforms. What their
// values are is asked in complex_test.cc and fft_test.cc.
#include <gtest/gtest.h>

#include "tenon/tests/function_case.h"

namespace tn = tenon;
using tenon::testing::apart;
using tenon::testing::check_functions;
using tenon::testing::Drawn;

namespace {

using Arguments = std::vector<Drawn>;
const Arguments one = {{{3, 5}}}, two = {{{3, 5}}, {{5}}}, kinked = {apart({3, 5})}, pairs = {{{3, 2}}};
const std::vector<Arguments> others = {{{{0, 3}}}, {{{1}}}, {{{67}}}};
// Lengths of one stage, which need no table: the check differentiates by every input of a program, and nobody does by a table.
const Arguments square = {{{4, 8}}}, parts = {{{3, 8}}, {{3, 8}}}, signal = {{{2, 24}}};
#define SPECTRUM tn::complex(x[0], x[1])

TEST(ComplexBattery, Parts) {
  check_functions({
      {"complex", TENON_CALL(tn::complex(x[0], x[1])), two, {}, 2, true, true, true, 1, false},
      {"polar", TENON_CALL(tn::polar(x[0], x[1])), two, {}, 2, true, true, true, 1, false},
      {"real", TENON_CALL(tn::real(x[0])), one, others, 2, true, true, true, 0},
      {"imag", TENON_CALL(tn::imag(x[0])), one, others},
      {"conj", TENON_CALL(tn::conj(x[0])), one, others, 2, true, true, true, 0},
      {"angle", TENON_CALL(tn::angle(x[0])), kinked, others},
      {"view_as_complex", TENON_CALL(tn::view_as_complex(x[0])), pairs, {}, 2, false, true, true, 1, false},
      {"view_as_real", TENON_CALL(tn::view_as_real(SPECTRUM)), parts, {}, 2, true, true, true, 2, false},
  });
}

TEST(ComplexBattery, Transforms) {
  check_functions({
      {"fft", TENON_CALL(tn::fft::fft(x[0])), one, others},
      {"fft", TENON_CALL(tn::fft::fft(SPECTRUM)), parts, {}, 2, true, true, true, 2, false},
      {"ifft", TENON_CALL(tn::fft::ifft(x[0], {.n = 7, .axis = 0})), one},
      {"rfft", TENON_CALL(tn::fft::rfft(x[0])), one, others},
      {"rfft", TENON_CALL(tn::fft::rfft(x[0], {.n = 10, .norm = "ortho"})), one},
      {"irfft", TENON_CALL(tn::fft::irfft(SPECTRUM)), parts, {}, 2, true, true, true, 2, false},
      {"irfft",
       TENON_CALL(tn::fft::irfft(SPECTRUM, {.n = 13, .norm = "forward"})),
       parts,
       {},
       2,
       true,
       true,
       true,
       2,
       false},
      {"hfft", TENON_CALL(tn::fft::hfft(SPECTRUM)), parts, {}, 2, true, true, true, 3, false},
      {"ihfft", TENON_CALL(tn::fft::ihfft(x[0])), one, others, 2, true, true, true, 2},
      {"fft2", TENON_CALL(tn::fft::fft2(x[0])), square},
      {"ifft2", TENON_CALL(tn::fft::ifft2(x[0])), square},
      {"rfft2", TENON_CALL(tn::fft::rfft2(x[0])), square},
      {"irfft2", TENON_CALL(tn::fft::irfft2(SPECTRUM)), parts, {}, 2, true, true, true, 2, false},
      {"fftn", TENON_CALL(tn::fft::fftn(x[0])), square},
      {"ifftn", TENON_CALL(tn::fft::ifftn(x[0])), square},
      {"rfftn", TENON_CALL(tn::fft::rfftn(x[0])), square},
      {"irfftn", TENON_CALL(tn::fft::irfftn(SPECTRUM)), parts, {}, 2, true, true, true, 2, false},
      {"fftshift", TENON_CALL(tn::fft::fftshift(x[0])), one},
      {"ifftshift", TENON_CALL(tn::fft::ifftshift(x[0])), one},
      {"fftfreq", TENON_CALL(tn::fft::fftfreq(7, 0.5)), one, {}, 0, false},
      {"rfftfreq", TENON_CALL(tn::fft::rfftfreq(8, 0.5)), one, {}, 0, false},
      {"stft", TENON_CALL(tn::stft(x[0], 8)), signal, {}, 2, true, true, true, 1, false},
      {"istft", TENON_CALL(tn::istft(tn::stft(x[0], 8), 8)), signal, {}, 2, true, true, true, 2, false},
  });
}

}  // namespace
