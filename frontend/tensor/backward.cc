// Eager autograd, the other half: backward takes the recorded entries in reverse program order. A pullback adds to the sums that it
// finds, node by node as the transpose of the whole program would, so backward and grad give the same bits. Refuses a second
// derivative, which tn::grad gives.
#include <deque>
#include <queue>
#include <unordered_map>

#include "tenon/frontend/ops/ops.h"
#include "tenon/frontend/tensor/callable.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/placement.h"
#include "tenon/frontend/tensor/tape.h"
#include "tenon/frontend/tensor/trace.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace {

// One backward: entries are taken in reverse program order; each value's cotangents add up as they arrive.
class Backward {
 public:
  Backward(bool retain, const Location& at) : retain_(retain), at_(at) {}

  void run(const TapeSource& root, const Tensor& seed) {
    if (Tensor* sum = sum_at(root)) *sum = seed;
    while (!queue_.empty()) {
      const std::shared_ptr<Pending> pending = queue_.top();
      queue_.pop();
      found_.erase(pending->entry.get());
      step(*pending);
    }
    // A leaf that was reached, but by zero derivatives only, has a gradient of zeros, as with grad.
    for (auto& [cell, sum] : leaves_) {
      if (!sum.defined()) sum = zeros_like(Tensor(cell));
      for (bool added = false; !added;) {  // once more if another thread's backward came between
        const std::shared_ptr<Cell> before = grad_of(*cell);
        const Tensor total = before ? Tensor(before) + sum : sum.detach();
        total.cell()->backward = at_;
        added = set_grad(*cell, before, total.cell());
      }
    }
  }

 private:
  struct Pending {
    std::shared_ptr<TapeEntry> entry;
    std::vector<Tensor> sums;  // of the cotangents of each output
  };
  struct Earlier {
    bool operator()(const std::shared_ptr<Pending>& a, const std::shared_ptr<Pending>& b) const {
      return a->entry->sequence < b->entry->sequence;
    }
  };

  // Where the cotangents of a value are summed; null when nobody wants them any more. Addresses stay good.
  Tensor* sum_at(const TapeSource& to) {
    if (!to.entry) {
      if (!to.leaf->requires_grad) return nullptr;
      Tensor*& known = leaf_sums_[to.leaf.get()];
      if (known == nullptr) known = &leaves_.emplace_back(to.leaf, Tensor()).second;
      return known;
    }
    auto it = found_.find(to.entry.get());
    if (it == found_.end()) {
      check_usable(*to.entry);
      auto made = std::make_shared<Pending>(Pending{to.entry, std::vector<Tensor>(to.entry->output_types.size())});
      it = found_.emplace(to.entry.get(), made.get()).first;
      queue_.push(std::move(made));
    }
    return &it->second->sums[to.output];
  }

  // Under the entry's lock: another thread's backward may use it up meanwhile.
  void refuse_freed(const TapeEntry& e) const {
    if (e.freed)
      throw Error("backward(): the record of '" + e.name + "' (" + tenon::to_string(e.where) +
                      ") was used up by the backward at " + tenon::to_string(e.freed_at) +
                      "; compute the result again, or give the first backward {.retain_graph = true}",
                  at_);
  }

  void check_usable(TapeEntry& e) const {
    {
      const std::lock_guard hold(e.lock);
      refuse_freed(e);
    }
    if (e.used_gradient.known())
      throw Error("backward(): '" + e.name + "' (" + tenon::to_string(e.where) +
                      ") used a gradient made by the backward at " + tenon::to_string(e.used_gradient) +
                      ", which has no history, so that the second derivative would be missing; use tn::grad, which "
                      "composes with itself, or detach() a gradient that is meant as a constant",
                  at_);
  }

  void step(Pending& p) {
    TapeEntry& e = *p.entry;
    const TapedProgram& program = *e.program;
    std::vector<Tensor*> sums;
    for (const TapeSource& s : e.inputs) sums.push_back(sum_at(s));

    std::vector<bool> arrived(program.outputs), summed;
    std::vector<const void*> pointers;
    bool any = false;
    std::vector<BufferPtr> residuals;
    {
      const std::lock_guard hold(e.lock);
      refuse_freed(e);
      residuals = e.residuals;
    }
    for (const BufferPtr& r : residuals) pointers.push_back(r->address());
    for (size_t o = 0; o < arrived.size(); ++o) {
      if (!p.sums[o].defined()) continue;
      if (program.refused[o]) throw Error(*program.refused[o]);
      if (!program.output_is_active[o]) continue;
      arrived[o] = any = true;
      pointers.push_back(buffer_of(p.sums[o], "backward", at_)->address());
    }
    if (any && e.came_from != nullptr) {  // a move: the cotangent goes back
      Tensor back = moved_to(p.sums[0], *e.came_from, at_);
      if (sums[0] != nullptr) *sums[0] = sums[0]->defined() ? *sums[0] + back : back;
    } else if (any) {
      std::vector<Tensor> before;  // holds the buffers of the sums while the pullback reads them
      for (size_t i = 0; i < program.active_inputs.size(); ++i) {
        summed.push_back(sums[i] != nullptr && sums[i]->defined());
        if (!summed.back()) continue;
        before.push_back(*sums[i]);
        pointers.push_back(buffer_of(before.back(), "backward", at_)->address());
      }
      const std::shared_ptr<const TapedProgram::Pullback> pullback = program.pullback(arrived, summed);
      if (pullback->program) {
        Tensors made;
        tenon::run(*pullback->program, pointers.data(), e.dims, at_, made);
        size_t next = 0;
        for (size_t i = 0; i < pullback->reached.size(); ++i) {
          if (!pullback->reached[i]) continue;
          if (sums[i] != nullptr) *sums[i] = std::move(made[next]);
          ++next;
        }
      }
    }
    if (retain_) return;
    const std::lock_guard hold(e.lock);
    e.freed = true;
    e.freed_at = at_;
    e.residuals.swap(residuals);  // they go with the other shares, after the lock
    e.residuals.clear();
  }

  const bool retain_;
  const Location at_;
  std::priority_queue<std::shared_ptr<Pending>, std::vector<std::shared_ptr<Pending>>, Earlier> queue_;
  std::unordered_map<TapeEntry*, Pending*> found_;  // entries in the queue
  std::deque<std::pair<std::shared_ptr<Cell>, Tensor>> leaves_;  // in the order they were met
  std::unordered_map<Cell*, Tensor*> leaf_sums_;
};

}  // namespace

void backward_from(const Tensor& root, const Tensor* cotangent, bool retain_graph, const Location& at) {
  if (Trace::current()) throw Error("backward() inside a trace; use tn::grad, which composes with every transform", at);
  const std::shared_ptr<Cell>& cell = root.cell();
  if (!cell->requires_grad) {
    if (cell->backward.known())
      throw Error("backward(): " + describe(root) + " was computed from the gradients of the backward at " +
                      tenon::to_string(cell->backward) +
                      ", which have no history; for second derivatives use tn::grad, which composes with itself",
                  at);
    if (cell->entry && !is_continuous(cell->type.dtype))
      throw Error("backward(): " + describe(root) + " is not floating, so it has no derivative", at);
    throw Error(
        "backward(): " + describe(root) + " does not require grad and has no history; make a leaf with requires_grad",
        at);
  }
  if (!cotangent && root.numel() != 1)
    throw Error("backward() needs a one-element tensor, and this is " + describe(root) +
                    "; reduce it first (tn::sum) or pass a cotangent of its shape",
                at);
  if (!cotangent && is_complex(root.dtype()))
    throw Error("backward() needs a real number, and this is " + describe(root) +
                    "; take tn::real, tn::imag or tn::abs of it, or pass a cotangent",
                at);
  if (cotangent && (!cotangent->defined() || cotangent->shape() != root.shape() || cotangent->dtype() != root.dtype()))
    throw Error("backward(): the cotangent " + describe(*cotangent) + " does not match " + describe(root), at);
  if (cotangent && cotangent->cell()->place != cell->place) {
    const Tensor both[] = {root, *cotangent};
    device_of_all(both, "backward()", at);  // numbers aside, an Error
  }
  door("backward()", at, [&] {
    NoGrad off;
    Backward(retain_graph, at)
        .run(source_of(cell), cotangent ? beside(cotangent->detach(), root, at) : ones_like(root));
  });
}

}  // namespace tenon
