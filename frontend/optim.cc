// The update rules of the optimizers, one leaf at a time.
#include "tenon/frontend/optim.h"

namespace tenon::optim::detail {

void sgd_leaf(Tensor& p, const Tensor& gradient, Tensor* velocity, const Sgd& o) {
  if (!gradient.defined()) return;
  Tensor g = o.weight_decay == 0 ? gradient : gradient + o.weight_decay * p;
  if (velocity != nullptr) {
    *velocity = o.momentum * *velocity + g;
    g = *velocity;
  }
  p = p - o.rate * g;
}

// 1 / (1 - beta^t) for both moments.
std::pair<Tensor, Tensor> adamw_corrections(const Tensor& step, const AdamW& o) {
  const Tensor one = ones_like(step);
  return {one / (1.0 - pow(o.beta1, step)), one / (1.0 - pow(o.beta2, step))};
}

void adamw_leaf(Tensor& p, const Tensor& gradient, Tensor& first, Tensor& second, const Tensor& correct1,
                const Tensor& correct2, const AdamW& o) {
  if (!gradient.defined()) return;
  first = o.beta1 * first + (1.0 - o.beta1) * gradient;
  second = o.beta2 * second + (1.0 - o.beta2) * (gradient * gradient);
  const Tensor direction = (first * correct1) / (sqrt(second * correct2) + o.epsilon);
  p = p - o.rate * (direction + o.weight_decay * p);
}

}  // namespace tenon::optim::detail
