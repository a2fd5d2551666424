// Every form in which the functions of files may be called, spelled as programs spell them.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <filesystem>

#include "tenon/tests/temporary_folder.h"

namespace tn = tenon;

namespace {

struct Layer {
  tn::Tensor w, b;
};
struct Tree {
  std::vector<Layer> layers;
};

Tree filled(float value) {
  return {{{tn::full({2, 3}, value), tn::full({3}, value)}, {tn::ones({1}), tn::zeros({1})}}};
}

class FilesCalls : public ::testing::Test {
 protected:
  ~FilesCalls() override { std::filesystem::remove_all(folder); }
  const std::string folder = tenon::testing::temporary_folder("calls"), path = folder + "/file";
};

TEST_F(FilesCalls, Maps) {
  const std::map<std::string, tn::Tensor> map{{"a", tn::ones({2})}, {"b", tn::arange(3)}};
  tn::save_npz(path, map);
  std::map<std::string, tn::Tensor> back = tn::load_npz(path);
  EXPECT_EQ(back.at("b").to_vector<int>(), (std::vector<int>{0, 1, 2}));
  for (const auto& [name, x] : tn::load_npz(path)) EXPECT_TRUE(map.count(name)) << x;
  tn::save_npz(path, map, {.compress = true});
  tn::save_safetensors(path, map);
  back = tn::load_safetensors(path);
  EXPECT_EQ(back["a"].to_vector(), (std::vector<float>{1, 1}));
  tn::save(path, map);
  EXPECT_EQ(tn::load_safetensors(path).size(), 2u);
  tn::save_npy(path, back["a"]);
  EXPECT_EQ(tn::load_npy(path).shape(), tn::Shape({2}));
}

TEST_F(FilesCalls, Trees) {
  tn::save(path, filled(2));
  Tree tree = filled(0);
  tn::load(path, tree);
  EXPECT_EQ(tree.layers[0].w.to_vector()[0], 2);
  const Tree like = tn::load(path, filled(0));
  EXPECT_EQ(like.layers[0].w.to_vector()[0], 2);
  Tree& same = tn::load(path, tree, {.strict = true});
  EXPECT_EQ(&same, &tree);
  // layers[0].w and layers.0.w are one name.
  tn::save_safetensors(path, std::map<std::string, tn::Tensor>{{"layers.0.w", tn::ones({2, 3})},
                                                               {"layers.0.b", tn::ones({3})},
                                                               {"layers[1].w", tn::ones({1})},
                                                               {"layers[1].b", tn::ones({1})}});
  tn::load(path, tree);
  EXPECT_EQ(tree.layers[0].w.to_vector()[5], 1);
  try {
    tn::load(path, std::map<std::string, tn::Tensor>{{"absent", tn::ones({2})}});
    FAIL();
  } catch (const tn::Error& e) {
    EXPECT_NE(std::string(e.what()).find("absent"), std::string::npos);
  }
  // Equal trees give equal bytes.
  tn::save(path, filled(3));
  tn::save(path + "2", filled(3));
  EXPECT_EQ(std::filesystem::file_size(path), std::filesystem::file_size(path + "2"));
}

TEST_F(FilesCalls, MemoryOfOthers) {
  float memory[] = {1, 2, 3, 4, 5, 6};
  EXPECT_EQ(tn::from_blob(memory, {2, 3}, tn::f32).to_vector()[5], 6);
  EXPECT_EQ(tn::from_blob(memory, {2, 3}, tn::f32, {.strides = {1, 2}}).to_vector()[1], 3);
  EXPECT_EQ(tn::from_blob(memory + 5, {3}, tn::f32, {.strides = {-2}}).to_vector()[1], 4);
  EXPECT_EQ(tn::from_blob(memory, {2}, tn::f32, {.strides = {0}}).to_vector()[1], 1);
  const tn::Tensor x = tn::ones({2, 3});
  const tn::Tensor y = tn::from_dlpack(tn::to_dlpack(x));
  EXPECT_EQ(y.raw(), x.raw());
  tn::DLManagedTensor* const old = tn::to_dlpack(x);
  EXPECT_EQ(tn::from_dlpack(old).raw(), x.raw());
  tn::DLManagedTensorVersioned* const versioned = tn::to_dlpack_versioned(x);
  EXPECT_EQ(tn::from_dlpack(versioned).raw(), x.raw());
}

}  // namespace
