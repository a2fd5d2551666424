// Losses of classes, channels being axis 1.
#include "tenon/frontend/onnx/families.h"

namespace tenon::onnx {
namespace {

// -weight[label] log_prob[label], reduced; labels of ignore_index do not count.
Tensor negative_likelihood(Call& c, const Tensor& log_probs, Tensor labels, const Tensor& weight) {
  c.expects(log_probs.ndim() >= 2 && labels.ndim() == log_probs.ndim() - 1,
            "its input is [n, classes, ...] and its labels [n, ...]");
  const DType dtype = log_probs.dtype();
  labels = labels.astype(i64);
  Tensor counts = full(labels.shape(), 1, {.dtype = dtype}), valid = labels;
  if (c.find("ignore_index") != nullptr) {
    const int64_t ignored = c.integer("ignore_index", 0);
    counts = (labels != ignored).astype(dtype);
    valid = where(labels == ignored, 0, labels);
  }
  if (weight.defined()) counts = counts * take(weight, valid, 0);
  const Tensor picked = squeeze(gather(log_probs, 1, unsqueeze(valid, 1)), 1);
  const Tensor loss = -(picked * counts);
  const std::string how = c.word("reduction", "mean");
  if (how == "none") return loss;
  if (how == "sum") return sum(loss);
  c.expects(how == "mean", "its reduction is none, sum or mean");
  return sum(loss) / sum(counts);
}

}  // namespace

Results import_nll_loss(Call& c) { return one(negative_likelihood(c, c.tensor(0), c.tensor(1), c.tensor_or(2, {}))); }

Results import_cross_entropy(Call& c) {
  const Tensor log_probs = log_softmax(c.tensor(0), 1);
  return {negative_likelihood(c, log_probs, c.tensor(1), c.tensor_or(2, {})), log_probs};
}

}  // namespace tenon::onnx
