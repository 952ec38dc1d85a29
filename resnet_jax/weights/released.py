"""Weights of these networks that timm's authors released on the Hugging Face hub.

As timm 1.0.31 lists them (`generate_default_cfgs` of its files of models). NAME.TAG is the
repository timm/NAME.TAG; the first tag of a network is the one that timm takes where none is named.
Of ConvNeXts those without a head are left out.
"""

LIST = """
resnet18: a1_in1k a2_in1k a3_in1k tv_in1k fb_ssl_yfcc100m_ft_in1k fb_swsl_ig1b_ft_in1k
    gluon_in1k
resnet34: a1_in1k a2_in1k a3_in1k bt_in1k ra4_e3600_r224_in1k tv_in1k gluon_in1k
resnet26: bt_in1k
resnet50: a1_in1k a1h_in1k a2_in1k a3_in1k b1k_in1k b2k_in1k c1_in1k c2_in1k d_in1k ram_in1k
    am_in1k ra_in1k bt_in1k tv_in1k tv2_in1k bamboo fb_ssl_yfcc100m_ft_in1k fb_swsl_ig1b_ft_in1k
    gluon_in1k
resnet101: a1h_in1k a1_in1k a2_in1k a3_in1k tv_in1k tv2_in1k gluon_in1k
resnet152: a1h_in1k a1_in1k a2_in1k a3_in1k tv_in1k tv2_in1k gluon_in1k
resnet10t: c3_in1k
resnet14t: c3_in1k
resnet18d: ra2_in1k ra4_e3600_r224_in1k
resnet34d: ra2_in1k
resnet26t: ra2_in1k
resnet26d: bt_in1k
resnet50c: gluon_in1k
resnet50d: ra2_in1k ra4_e3600_r224_in1k a1_in1k a2_in1k a3_in1k gluon_in1k
resnet50s: gluon_in1k
resnet101c: gluon_in1k
resnet101d: ra2_in1k gluon_in1k
resnet101s: gluon_in1k
resnet152c: gluon_in1k
resnet152d: ra2_in1k gluon_in1k
resnet152s: gluon_in1k
resnet200d: ra2_in1k
wide_resnet50_2: racm_in1k tv_in1k tv2_in1k
wide_resnet101_2: tv_in1k tv2_in1k
resnet50_gn: a1h_in1k
resnext50_32x4d: a1h_in1k a1_in1k a2_in1k a3_in1k ra_in1k tv_in1k tv2_in1k
    fb_ssl_yfcc100m_ft_in1k fb_swsl_ig1b_ft_in1k gluon_in1k
resnext50d_32x4d: bt_in1k
resnext101_32x4d: fb_ssl_yfcc100m_ft_in1k fb_swsl_ig1b_ft_in1k gluon_in1k
resnext101_32x8d: tv_in1k tv2_in1k fb_wsl_ig1b_ft_in1k fb_ssl_yfcc100m_ft_in1k
    fb_swsl_ig1b_ft_in1k
resnext101_32x16d: fb_wsl_ig1b_ft_in1k fb_ssl_yfcc100m_ft_in1k fb_swsl_ig1b_ft_in1k
resnext101_32x32d: fb_wsl_ig1b_ft_in1k
resnext101_64x4d: c1_in1k tv_in1k gluon_in1k
seresnet50: a1_in1k a2_in1k a3_in1k ra2_in1k
seresnet152d: ra2_in1k
seresnext26d_32x4d: bt_in1k
seresnext26t_32x4d: bt_in1k
seresnext50_32x4d: racm_in1k gluon_in1k
seresnext101_32x4d: gluon_in1k
seresnext101_32x8d: ah_in1k
seresnext101d_32x8d: ah_in1k
seresnext101_64x4d: gluon_in1k
senet154: gluon_in1k
ecaresnet26t: ra2_in1k
ecaresnet50d: miil_in1k
ecaresnet50t: ra2_in1k a1_in1k a2_in1k a3_in1k
ecaresnetlight: miil_in1k
ecaresnet101d: miil_in1k
ecaresnet269d: ra2_in1k
resnetblur50: bt_in1k
resnetaa50: a1h_in1k
resnetaa50d: sw_in12k_ft_in1k sw_in12k d_in12k
resnetaa101d: sw_in12k_ft_in1k sw_in12k
seresnextaa101d_32x8d: sw_in12k_ft_in1k_288 sw_in12k_ft_in1k sw_in12k ah_in1k
seresnextaa201d_32x8d: sw_in12k_ft_in1k_384 sw_in12k
resnetrs50: tf_in1k
resnetrs101: tf_in1k
resnetrs152: tf_in1k
resnetrs200: tf_in1k
resnetrs270: tf_in1k
resnetrs350: tf_in1k
resnetrs420: tf_in1k
test_resnet: r160_in1k
resnetv2_18: ra4_e3600_r224_in1k
resnetv2_18d: ra4_e3600_r224_in1k
resnetv2_34: ra4_e3600_r224_in1k
resnetv2_34d: ra4_e3600_r224_in1k ra4_e3600_r384_in1k
resnetv2_50: a1h_in1k
resnetv2_101: a1h_in1k
resnetv2_50d_gn: ah_in1k
resnetv2_50d_evos: ah_in1k
resnetv2_50x1_bit: goog_distilled_in1k goog_in21k_ft_in1k goog_in21k
resnetv2_50x3_bit: goog_in21k_ft_in1k goog_in21k
resnetv2_101x1_bit: goog_in21k_ft_in1k goog_in21k
resnetv2_101x3_bit: goog_in21k_ft_in1k goog_in21k
resnetv2_152x2_bit: goog_teacher_in21k_ft_in1k goog_teacher_in21k_ft_in1k_384 goog_in21k_ft_in1k
    goog_in21k
resnetv2_152x4_bit: goog_in21k_ft_in1k goog_in21k
res2net50_48w_2s: in1k
res2net50_26w_4s: in1k
res2net50_14w_8s: in1k
res2net50_26w_6s: in1k
res2net50_26w_8s: in1k
res2net101_26w_4s: in1k
res2net50d: in1k
res2net101d: in1k
res2next50: in1k
resnext26ts: ra2_in1k
gcresnext26ts: ch_in1k
seresnext26ts: ch_in1k
eca_resnext26ts: ch_in1k
resnet32ts: ra2_in1k
resnet33ts: ra2_in1k
gcresnet33ts: ra2_in1k
seresnet33ts: ra2_in1k
eca_resnet33ts: ra2_in1k
gcresnet50t: ra2_in1k
gcresnext50ts: ch_in1k
resnet51q: ra2_in1k
regnetz_b16: ra3_in1k
regnetz_c16: ra3_in1k
regnetz_d32: ra3_in1k
regnetz_d8: ra3_in1k
regnetz_e8: ra3_in1k
resnest14d: gluon_in1k
resnest26d: gluon_in1k
resnest50d: in1k
resnest50d_1s4x24d: in1k
resnest50d_4s2x40d: in1k
resnest101e: in1k
resnest200e: in1k
resnest269e: in1k
skresnet18: ra_in1k
skresnet34: ra_in1k
skresnext50_32x4d: ra_in1k
regnetx_002: pycls_in1k
regnetx_004: pycls_in1k
regnetx_006: pycls_in1k
regnetx_008: tv2_in1k pycls_in1k
regnetx_016: tv2_in1k pycls_in1k
regnetx_032: tv2_in1k pycls_in1k
regnetx_040: pycls_in1k
regnetx_064: pycls_in1k
regnetx_080: tv2_in1k pycls_in1k
regnetx_120: pycls_in1k
regnetx_160: tv2_in1k pycls_in1k
regnetx_320: tv2_in1k pycls_in1k
regnetx_004_tv: tv2_in1k
regnety_002: pycls_in1k
regnety_004: tv2_in1k pycls_in1k
regnety_006: pycls_in1k
regnety_008: pycls_in1k
regnety_016: tv2_in1k pycls_in1k
regnety_032: ra_in1k tv2_in1k pycls_in1k
regnety_040: ra3_in1k pycls_in1k
regnety_064: ra3_in1k pycls_in1k
regnety_080: ra3_in1k pycls_in1k
regnety_120: sw_in12k_ft_in1k sw_in12k pycls_in1k
regnety_160: sw_in12k_ft_in1k lion_in12k_ft_in1k sw_in12k deit_in1k tv2_in1k swag_ft_in1k
    swag_lc_in1k pycls_in1k
regnety_320: tv2_in1k swag_ft_in1k swag_lc_in1k seer_ft_in1k seer pycls_in1k
regnety_640: seer_ft_in1k seer
regnety_1280: swag_ft_in1k swag_lc_in1k seer_ft_in1k seer
regnety_2560: seer_ft_in1k
regnety_008_tv: tv2_in1k
regnety_080_tv: tv2_in1k
regnetv_040: ra3_in1k
regnetv_064: ra3_in1k
regnetz_040: ra3_in1k
regnetz_040_h: ra3_in1k
nf_resnet50: ra2_in1k
nfnet_l0: ra2_in1k
eca_nfnet_l0: ra2_in1k
eca_nfnet_l1: ra2_in1k
eca_nfnet_l2: ra3_in1k
test_nfnet: r160_in1k
cspresnet50: ra_in1k
cspresnext50: ra_in1k
convnext_atto: d2_in1k
convnext_femto: d1_in1k
convnext_pico: d1_in1k
convnext_nano: in12k_ft_in1k d1h_in1k r384_in12k_ft_in1k in12k r384_in12k r384_ad_in12k
convnext_tiny: in12k_ft_in1k in12k_ft_in1k_384 in12k fb_in22k_ft_in1k fb_in1k
    fb_in22k_ft_in1k_384 fb_in22k
convnext_small: in12k_ft_in1k in12k_ft_in1k_384 in12k fb_in22k_ft_in1k fb_in1k
    fb_in22k_ft_in1k_384 fb_in22k
convnext_base: fb_in22k_ft_in1k fb_in1k fb_in22k_ft_in1k_384 fb_in22k
    clip_laion2b_augreg_ft_in12k_in1k clip_laion2b_augreg_ft_in12k_in1k_384
    clip_laion2b_augreg_ft_in1k clip_laiona_augreg_ft_in1k_384 clip_laion2b_augreg_ft_in12k
    clip_laion2b clip_laion2b_augreg clip_laiona clip_laiona_320 clip_laiona_augreg_320
convnext_large: fb_in22k_ft_in1k fb_in1k fb_in22k_ft_in1k_384 fb_in22k
convnext_xlarge: fb_in22k_ft_in1k fb_in22k_ft_in1k_384 fb_in22k
convnext_xxlarge: clip_laion2b_soup_ft_in1k clip_laion2b_soup_ft_in12k clip_laion2b_soup
    clip_laion2b_rewind
convnextv2_atto: fcmae_ft_in1k
convnextv2_femto: fcmae_ft_in1k
convnextv2_pico: fcmae_ft_in1k
convnextv2_nano: fcmae_ft_in22k_in1k fcmae_ft_in22k_in1k_384 fcmae_ft_in1k
convnextv2_tiny: fcmae_ft_in22k_in1k fcmae_ft_in22k_in1k_384 fcmae_ft_in1k
convnextv2_base: fcmae_ft_in22k_in1k fcmae_ft_in22k_in1k_384 fcmae_ft_in1k
convnextv2_large: fcmae_ft_in22k_in1k fcmae_ft_in22k_in1k_384 fcmae_ft_in1k
convnextv2_huge: fcmae_ft_in22k_in1k_384 fcmae_ft_in22k_in1k_512 fcmae_ft_in1k
"""


def _tags() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for entry in LIST.replace("\n    ", " ").strip().splitlines():
        name, _, tags = entry.partition(": ")
        found[name] = tuple(tags.split())
    return found


# Tags by the name of the network.
TAGS = _tags()
