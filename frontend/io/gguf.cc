// Blocks are unpacked once, into memory that the tensor owns; what is plain stays in the mapped file.
#include "tenon/frontend/io/gguf.h"

#include <memory>

#include "tenon/frontend/io/stored.h"
#include "tenon/frontend/tensor/blob.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/ir/base/door.h"
#include "tenon/runtime/gguf.h"
#include "tenon/runtime/mapped_file.h"
#include "tenon/runtime/shown_name.h"

namespace tenon {
namespace {

// As messages call what there may be, in the order of GgufValue::Kind.
constexpr const char* kinds[] = {"an integer",
                                 "an integer of 2^63 or more",
                                 "a number",
                                 "a bool",
                                 "a text",
                                 "an array of integers",
                                 "an array of integers of 2^63 or more",
                                 "an array of numbers",
                                 "an array of bools",
                                 "an array of texts"};
const char* kind_text(GgufValue::Kind kind) { return kinds[static_cast<size_t>(kind)]; }

const GgufValue* find(const Gguf& file, const std::string& key) {
  const auto found = file.metadata.find(key);
  return found == file.metadata.end() ? nullptr : &found->second;
}
std::string who(const Gguf& file) { return "GGUF file '" + file.path + "'"; }

template <class T>
const T& value_of(const Gguf& file, const std::string& key, const At& at) {
  const GgufValue* const value = find(file, key);
  if (value == nullptr)
    throw Error(who(file) + " has no metadata " + runtime::shown_name(key) + ", " + kind_text(GgufValue::kind_of<T>()),
                place(at));
  if (const T* is = value->get<T>()) return *is;
  throw Error(who(file) + ": " + runtime::shown_name(key) + " is " + kind_text(value->kind()) + ", not " +
                  kind_text(GgufValue::kind_of<T>()),
              place(at));
}

// A tensor of its entry: borrowed where it can be.
Tensor tensor_of(const runtime::GgufEntry& e, const std::shared_ptr<runtime::MappedFile>& file, const At& at) {
  const char* const data = file->bytes().data() + e.begin;
  if (e.type->unpack == nullptr) return from_blob(data, e.shape, e.type->dtype, {.owner = file}, at);
  return detail::filled(
      DType::f32, e.shape,
      [&](void* to) {
        e.type->unpack(reinterpret_cast<const unsigned char*>(data), static_cast<float*>(to),
                       e.elements / e.type->block);
      },
      place(at));
}

}  // namespace

Gguf load_gguf(const std::string& path, const GgufOptions& o, const At& at) {
  return door("load_gguf", place(at), [&] {
    if (o.dtype && !is_floating(*o.dtype))
      throw Error("load_gguf: .dtype is that of floating tensors, and not " + std::string(name(*o.dtype)), place(at));
    const auto file = std::make_shared<runtime::MappedFile>(path, "GGUF file");
    runtime::GgufHeader header = runtime::parse_gguf(file->bytes(), file->who());
    Gguf out{path, header.version, std::move(header.metadata), {}, {}};
    for (const runtime::GgufEntry& e : header.entries) {
      Tensor t = tensor_of(e, file, at);
      if (o.dtype && is_floating(t.dtype())) t = t.astype(*o.dtype, at);
      t.cell()->made = place(at);
      out.tensors.emplace(e.name, std::move(t));
      out.types.emplace(e.name, e.type->name);
    }
    return out;
  });
}

int64_t Gguf::integer(const std::string& key, const At& at) const { return value_of<int64_t>(*this, key, at); }
int64_t Gguf::integer(const std::string& key, int64_t missing, const At& at) const {
  return find(*this, key) == nullptr ? missing : integer(key, at);
}
double Gguf::number(const std::string& key, const At& at) const {
  const GgufValue* const value = find(*this, key);
  if (value != nullptr && value->get<int64_t>() != nullptr) return static_cast<double>(*value->get<int64_t>());
  return value_of<double>(*this, key, at);
}
double Gguf::number(const std::string& key, double missing, const At& at) const {
  return find(*this, key) == nullptr ? missing : number(key, at);
}
const std::string& Gguf::text(const std::string& key, const At& at) const {
  return value_of<std::string>(*this, key, at);
}
const std::vector<std::string>& Gguf::texts(const std::string& key, const At& at) const {
  return value_of<std::vector<std::string>>(*this, key, at);
}
const std::vector<int64_t>& Gguf::integers(const std::string& key, const At& at) const {
  return value_of<std::vector<int64_t>>(*this, key, at);
}
const std::vector<double>& Gguf::numbers(const std::string& key, const At& at) const {
  return value_of<std::vector<double>>(*this, key, at);
}
const Tensor& Gguf::operator[](const std::string& tensor) const {
  const auto found = tensors.find(tensor);
  if (found == tensors.end()) throw Error(who(*this) + " has no tensor " + runtime::shown_name(tensor));
  return found->second;
}

}  // namespace tenon
