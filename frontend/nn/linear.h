// Layers of one map: linear, embedding, dropout. A layer is an aggregate of tensors and numbers, called as a function, and made by the
// function of its name in small letters, which takes a key. What it holds goes through transforms, optimizers and files by its members'
// names. Refuses operands that do not fit, by the layer's name, both shapes and what helps.
#pragma once

#include <optional>

#include "tenon/frontend/nn/mode.h"
#include "tenon/frontend/random/random.h"

namespace tenon::nn {

// x[.., in] weight + bias -> [.., out]
struct Linear {
  Tensor weight, bias = {};  // [in, out]; [out], or undefined
  Tensor operator()(Operand x) const;
};
struct LinearOptions {
  bool bias = true;
  DType dtype = default_dtype();
};
// Weight and bias uniform within 1 / sqrt(in), as torch.nn.Linear's.
Linear linear(const Tensor& key, int64_t in, int64_t out, const LinearOptions& o = {}, const At& at = At::current());

// Rows of the weight for integers of any shape: [..] -> [.., width]. The row of padding has no derivative.
struct Embedding {
  Tensor weight;  // [n, width]
  std::optional<int64_t> padding_idx = {};
  Tensor operator()(Operand indices) const;
};
struct EmbeddingOptions {
  std::optional<int64_t> padding_idx = {};  // a row of zeros; a negative one counts from the end
  DType dtype = default_dtype();
};
// Standard normal numbers, as torch.nn.Embedding's.
Embedding embedding(const Tensor& key, int64_t n, int64_t width, const EmbeddingOptions& o = {},
                    const At& at = At::current());

// In training x / (1 - p) where it is kept, with probability 1 - p, else 0; in use x.
struct Dropout {
  double p = 0.5;
  Tensor operator()(Operand x, const Mode& mode = {}) const;
};
Dropout dropout(double p = 0.5, const At& at = At::current());
using tenon::random::dropout;  // dropout(key, x, p)

// The same by the functions of tn::random: whole channels of x[n, channels, extents..] or x[channels, extents..], and alpha dropout, which keeps
// mean and variance.
#define TENON_DROPOUT(Name, name)                              \
  struct Name {                                                \
    double p = 0.5;                                            \
    Tensor operator()(Operand x, const Mode& mode = {}) const; \
  };                                                           \
  Name name(double p = 0.5, const At& at = At::current());     \
  using tenon::random::name;
TENON_DROPOUT(Dropout1d, dropout1d)
TENON_DROPOUT(Dropout2d, dropout2d)
TENON_DROPOUT(Dropout3d, dropout3d)
TENON_DROPOUT(AlphaDropout, alpha_dropout)
TENON_DROPOUT(FeatureAlphaDropout, feature_alpha_dropout)
#undef TENON_DROPOUT

}  // namespace tenon::nn
