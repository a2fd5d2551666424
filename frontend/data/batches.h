// Batches of rows: tn::data::batches. Arrays are a tensor or any tree of tensors (docs/transforms.md) with one number of rows, the
// extent of their first axis; a batch is such a tree of some of their rows. Rows are copied by the host, on a thread that works
// ahead; nothing is compiled for them. Refuses arrays with other numbers of rows, without rows, and values of a trace.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "tenon/frontend/data/stream.h"
#include "tenon/frontend/tree/items.h"

namespace tenon::data {

struct Batching {
  int64_t size = 32;  // rows of a batch; the last one has what is left
  Tensor key = {};  // rows come in the order of random::permutation(key, rows), without a key in their own
  bool drop_last = false;  // leaves out a last batch that is not full
  int64_t prefetch = 2;  // batches that a thread makes ahead; 0: they are made where they are asked for, by no thread
  std::optional<Device> device = {};  // where batches lie; without it where their arrays do
};

namespace detail {

class Rows;
std::shared_ptr<const Rows> make_rows(const std::vector<tenon::detail::TreeItem>& arrays, const Batching& o,
                                      const Location& at);
int64_t batch_count(const Rows& rows);
std::vector<Tensor> batch_of(const Rows& rows, int64_t number);  // in the order of the tree's leaves

template <class T>
struct Source {
  std::shared_ptr<const Rows> rows;
  T arrays;
  static std::shared_ptr<void> make(const void* self, int64_t number) {
    const auto& source = *static_cast<const Source*>(self);
    auto batch = std::make_shared<T>(source.arrays);
    tenon::detail::replace(*batch, batch_of(*source.rows, number).data());
    return batch;
  }
};

template <class T, class F>
decltype(auto) transformed(const F& f, T&& batch, int64_t number) {
  if constexpr (std::is_invocable_v<const F&, T, int64_t>)
    return f(std::forward<T>(batch), number);
  else
    return f(std::forward<T>(batch));
}
template <class T, class F>
struct Mapped {
  Maker inner;
  F f;
  using Result = std::decay_t<decltype(transformed<T>(std::declval<const F&>(), std::declval<T>(), 0))>;
  static std::shared_ptr<void> make(const void* self, int64_t number) {
    const auto& mapped = *static_cast<const Mapped*>(self);
    const std::shared_ptr<void> batch = mapped.inner(number);
    return std::make_shared<Result>(transformed<T>(mapped.f, std::move(*static_cast<T*>(batch.get())), number));
  }
};

}  // namespace detail

// A range of batches: for (auto& [x, y] : batches(std::tuple{xs, ys}, {.size = 64})). Each pass over it has the same batches, and a
// thread of its own, which an early end of the loop stops. What that thread throws is thrown by the loop, at that batch.
template <class T>
class Batches {
 public:
  struct End {};
  class Iterator {
   public:
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    explicit Iterator(detail::Stream stream) : stream_(std::move(stream)), batch_(stream_.next()) {}
    T& operator*() const { return *static_cast<T*>(batch_.get()); }  // until the next one is asked for
    T* operator->() const { return static_cast<T*>(batch_.get()); }
    Iterator& operator++() {
      batch_ = nullptr;  // its memory serves again
      batch_ = stream_.next();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(End) const { return batch_ == nullptr; }

   private:
    detail::Stream stream_;
    std::shared_ptr<void> batch_;
  };

  Batches(detail::Maker maker, int64_t count, int64_t ahead) : maker_(std::move(maker)), count_(count), ahead_(ahead) {}
  Iterator begin() const { return Iterator(detail::Stream(maker_, count_, ahead_)); }
  End end() const { return {}; }
  int64_t size() const { return count_; }  // how many batches there are
  bool empty() const { return count_ == 0; }

  // The range of f(batch), or of f(batch, number of the batch), computed by the thread that makes them: for augmentation, whose keys
  // may be folded from the number. f runs beside the loop, so it must not change what the loop reads.
  template <class F>
  auto map(F f) const {
    using To = detail::Mapped<T, F>;
    return Batches<typename To::Result>({std::make_shared<const To>(To{maker_, std::move(f)}), &To::make}, count_,
                                        ahead_);
  }

 private:
  detail::Maker maker_;
  int64_t count_, ahead_;
};

// The batches of arrays as they are now. Error for arrays of different numbers of rows, by path, and for a size below 1.
template <class T>
Batches<tenon::detail::Plain<T>> batches(const T& arrays, const Batching& o = {}, const At& at = At::current()) {
  using Tree = tenon::detail::Plain<T>;
  return tenon::detail::guarded("batches", place(at), [&] {
    auto rows = detail::make_rows(tenon::detail::items_of(arrays), o, place(at));
    const int64_t count = detail::batch_count(*rows);
    auto source = std::make_shared<const detail::Source<Tree>>(detail::Source<Tree>{std::move(rows), arrays});
    return Batches<Tree>({std::move(source), &detail::Source<Tree>::make}, count, o.prefetch);
  });
}

}  // namespace tenon::data
