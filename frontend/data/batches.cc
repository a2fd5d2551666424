// Rows are bytes: batches are copied, element types do not matter. Arrays on another device are brought to the host once.
#include "tenon/frontend/data/batches.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "tenon/frontend/random/draw.h"
#include "tenon/frontend/random/random.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/refuse_device.h"
#include "tenon/ir/base/door.h"

namespace tenon::data::detail {

class Rows {
 public:
  struct Array {
    BufferPtr buffer;  // keeps what the view looks at
    runtime::HostView view;
    ir::Type type;
    int64_t row_bytes;
    const runtime::Device* device;
  };
  int64_t first(int64_t batch) const { return batch * size; }
  int64_t length(int64_t batch) const { return std::min(size, count - first(batch)); }
  Tensor batch_of(const Array& array, int64_t batch) const;

  std::vector<Array> arrays;
  std::vector<int64_t> order;  // empty: as they are
  int64_t count = 0, size = 1;
  bool drop_last = false;
  Location made;
};

Tensor Rows::batch_of(const Array& array, int64_t batch) const {
  const int64_t rows = length(batch);
  Shape shape = array.type.shape;
  shape[0] = Dim(rows);
  auto buffer = runtime::Buffer::allocate(rows * array.row_bytes, *array.device);
  const auto width = static_cast<size_t>(array.row_bytes);
  if (buffer->size() != 0) {
    const auto* const from = static_cast<const std::byte*>(array.view.data());
    std::vector<std::byte> gathered;
    if (!order.empty()) {
      gathered.resize(static_cast<size_t>(buffer->size()));
      for (size_t i = 0; i < static_cast<size_t>(rows); ++i)
        std::memcpy(gathered.data() + i * width, from + order[static_cast<size_t>(first(batch)) + i] * array.row_bytes,
                    width);
    }
    buffer->write(order.empty() ? from + first(batch) * array.row_bytes : gathered.data());
  }
  return make_concrete({array.type.dtype, shape}, std::move(buffer), made);
}

std::shared_ptr<const Rows> make_rows(const std::vector<tenon::detail::TreeItem>& items, const Batching& o,
                                      const Location& at) {
  return door("batches", at, [&] {
    if (o.size < 1) throw Error("batches: a batch has one row at least, not " + std::to_string(o.size), at);
    if (o.prefetch < 0 || o.prefetch > 1 << 16)
      throw Error("batches: 0 to 65536 batches are made ahead, not " + std::to_string(o.prefetch), at);
    auto rows = std::make_shared<Rows>();
    rows->size = o.size, rows->drop_last = o.drop_last, rows->made = at;
    rows->arrays.reserve(items.size());  // views of other devices do not move
    const tenon::detail::TreeItem* first = nullptr;
    for (const tenon::detail::TreeItem& item : items) {
      if (item.tag != 't') continue;
      const auto who = [](const tenon::detail::TreeItem& i) {
        return (i.path.empty() ? "" : "'" + i.path + "' is ") + describe(*i.tensor);
      };
      const Tensor& t = *item.tensor;
      const BufferPtr buffer = buffer_of(t, "batches", at);
      if (t.ndim() == 0) throw Error("batches: a number has no rows: " + who(item), at);
      const int64_t count = t.size(0).number();
      if (first != nullptr && count != rows->count)
        throw Error("batches: arrays have one number of rows: " + who(*first) + ", and " + who(item), at);
      first = first == nullptr ? &item : first;
      rows->count = count;
      const int64_t row_bytes = count == 0 ? 0 : buffer->size() / count;
      const runtime::Device* device = &buffer->device();
      if (o.device) {
        refuse_device("batches", *o.device, at);
        device = &runtime::device_of(o.device->kind == Kind::cpu ? TargetKind::cpu : TargetKind::cuda, o.device->index);
      }
      rows->arrays.push_back({buffer, runtime::HostView(*buffer), t.cell()->type, row_bytes, device});
    }
    if (first == nullptr) throw Error("batches: there is no array among what is given", at);
    if (o.key.defined()) check_key(o.key, at);
    if (o.key.defined()) rows->order = random::permutation(o.key, rows->count).to_vector<int64_t>();
    return std::shared_ptr<const Rows>(std::move(rows));
  });
}

int64_t batch_count(const Rows& rows) {
  const int64_t full = rows.count / rows.size;
  return full + (!rows.drop_last && full * rows.size < rows.count ? 1 : 0);
}

std::vector<Tensor> batch_of(const Rows& rows, int64_t number) {
  return door("batches", rows.made, [&] {
    std::vector<Tensor> batch;
    for (const Rows::Array& array : rows.arrays) batch.push_back(rows.batch_of(array, number));
    return batch;
  });
}

}  // namespace tenon::data::detail
