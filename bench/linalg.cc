// Linear algebra beside OpenBLAS, one thread each: many small matrices, and one of 256. LAPACK's functions are found in libopenblas when the
// machine has it; else Tenon's times stand alone.
#include <dlfcn.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tenon/bench/case.h"
#include "tenon/frontend/linalg/linalg.h"
#include "tenon/frontend/tenon.h"

namespace tenon::bench {
namespace {

void* library() {
  static void* const found = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
  return found;
}
// A function of LAPACK's, in Fortran's manner: everything by address.
template <class F>
F* lapack(const char* name) {
  return library() ? reinterpret_cast<F*>(dlsym(library(), name)) : nullptr;
}

using Numbers = std::vector<double>;
struct Matrices {
  int64_t batch, n;
  Numbers values;  // a Tensor's, row by row
  Tensor tensor;
};

Matrices drawn(int64_t batch, int64_t n, bool definite) {
  const Tensor x = normal(key(1), {batch, n, n}, {.dtype = f64});
  const Tensor i = arange(0, n), one = (i.reshape({n, 1}) == i).astype(f64);
  const Tensor t = definite ? matmul(x, transpose(x, {0, 2, 1})) / static_cast<double>(n) + one : x;
  return {batch, n, t.to_vector<double>(), t};
}

// Matrix by matrix on a copy, which LAPACK works in.
template <class Work>
std::function<void()> one_by_one(const Matrices& m, Work work) {
  return [=, copy = Numbers(static_cast<size_t>(m.n * m.n))]() mutable {
    const auto size = static_cast<std::ptrdiff_t>(copy.size());
    for (int64_t k = 0; k < m.batch; ++k) {
      std::copy_n(m.values.begin() + k * size, size, copy.begin());
      work(copy.data(), static_cast<int>(m.n));
    }
  };
}

std::function<void()> by_lapack(const std::string& what, const Matrices& m) {
  const int room = 64 * static_cast<int>(m.n * m.n) + 4096;
  Numbers first(static_cast<size_t>(room)), second(static_cast<size_t>(m.n * m.n)), third = second,
                                                                                    row(static_cast<size_t>(8 * m.n));
  std::vector<int> whole(static_cast<size_t>(16 * m.n + 64));
  if (what == "cholesky")
    if (auto* f = lapack<void(const char*, const int*, double*, const int*, int*)>("dpotrf_"))
      return one_by_one(m, [=](double* a, int n) {
        int info = 0;
        f("U", &n, a, &n, &info);
      });
  if (what == "solve")
    if (auto* f = lapack<void(const int*, const int*, double*, const int*, int*, double*, const int*, int*)>("dgesv_"))
      return one_by_one(m, [=](double* a, int n) mutable {
        int info = 0;
        f(&n, &n, a, &n, whole.data(), second.data(), &n, &info);
      });
  if (what == "qr") {
    auto* f = lapack<void(const int*, const int*, double*, const int*, double*, double*, const int*, int*)>("dgeqrf_");
    auto* g =
        lapack<void(const int*, const int*, const int*, double*, const int*, const double*, double*, const int*, int*)>(
            "dorgqr_");
    if (f && g)
      return one_by_one(m, [=](double* a, int n) mutable {
        int info = 0;
        f(&n, &n, a, &n, row.data(), first.data(), &room, &info);
        g(&n, &n, &n, a, &n, row.data(), first.data(), &room, &info);
      });
  }
  if (what == "eigh")
    if (auto* f = lapack<void(const char*, const char*, const int*, double*, const int*, double*, double*, const int*,
                              int*, const int*, int*)>("dsyevd_"))
      return one_by_one(m, [=](double* a, int n) mutable {
        int info = 0;
        const auto integers = static_cast<int>(whole.size());
        f("V", "U", &n, a, &n, row.data(), first.data(), &room, whole.data(), &integers, &info);
      });
  if (what == "svd")
    if (auto* f = lapack<void(const char*, const int*, const int*, double*, const int*, double*, double*, const int*,
                              double*, const int*, double*, const int*, int*, int*)>("dgesdd_"))
      return one_by_one(m, [=](double* a, int n) mutable {
        int info = 0;
        f("S", &n, &n, a, &n, row.data(), second.data(), &n, third.data(), &n, first.data(), &room, whole.data(),
          &info);
      });
  return {};
}

std::function<void()> by_tenon(const std::string& what, const Tensor& a) {
  if (what == "cholesky") return [=] { linalg::cholesky(a); };
  if (what == "solve") return [=] { linalg::solve(a, a); };
  if (what == "qr") return [=] { linalg::qr(a); };
  if (what == "eigh") return [=] { linalg::eigh(a); };
  return [=] { linalg::svd(a); };
}

}  // namespace

void add_linalg() {
  if (library())
    if (auto* threads = lapack<void(int)>("openblas_set_num_threads")) threads(1);
  for (const char* what : {"cholesky", "solve", "qr", "eigh", "svd"})
    for (const auto& [batch, n] : {std::pair<int64_t, int64_t>{1000, 4}, {1000, 8}, {1000, 16}, {1000, 32}, {1, 256}}) {
      Case c;
      c.name = std::string("linalg, ") + what + ", " + std::to_string(batch) + " of " + std::to_string(n);
      c.unit = Unit::microseconds;
      c.work = static_cast<double>(batch);
      if (library()) c.bars = {{"per OpenBLAS", true, batch == 1 ? 0.5 : 1.0}};
      c.prepare = [what = std::string(what), batch = batch, n = n] {
        const Matrices m = drawn(batch, n, what == "cholesky" || what == "eigh");
        std::vector<Subject> all = {{fused, by_tenon(what, m.tensor)}};
        if (auto theirs = by_lapack(what, m)) all.push_back({"OpenBLAS", theirs});
        return all;
      };
      add(c);
    }
}

}  // namespace tenon::bench
