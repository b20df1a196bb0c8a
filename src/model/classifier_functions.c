#include "model/classifier_functions.h"

const classifier_functions *classifier_functions_of(classifier_family family)
{
    static const classifier_functions *const families[CLASSIFIER_FAMILIES] = {[CLASSIFIER_BERT] = &bert_functions,
                                                                              [CLASSIFIER_VIT] = &vit_functions,
                                                                              [CLASSIFIER_AST] = &ast_functions,
                                                                              [CLASSIFIER_RECURRENT] =
                                                                                  &recurrent_functions};
    return families[family];
}
