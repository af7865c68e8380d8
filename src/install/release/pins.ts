/**
 * SHA-256 of published files, by asset, version and architecture. They win over what a server says. Those of Kubernetes,
 * containerd, runc, etcd and the CNI plugins are the ones that kubespray has reviewed (roles/kubespray_defaults, checksums.yml).
 */
export const pins: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, string>>>>>> = {
  kubelet: {
    '1.20.14': {
      amd64: '01342d70251276346aa5afa9653b49391959d0e4e32c905e1c66244f74b7af1f',
      arm64: '2e4a857c675fea138efb45a91ac382c1067f5f903b73c1b0cfdb7a91f9429465',
    },
    '1.21.13': {
      amd64: '4de3bf88be86e4661f55fa69a91c3414e8e23341038b1cf366914a0794f68efb',
      arm64: '4ffef9ed33067858f96c5662f61753791191eebe208a75ae263ca96270448249',
    },
    '1.22.15': {
      amd64: '3c00f6d4e329c40c727eaf69f46eec25879ddce87c0b21b51fa1b3c6e55218b9',
      arm64: '0c34cbda04ae914f342e683cf70f96d56d46033457d46ea79445e1483b501565',
    },
    '1.23.16': {
      amd64: 'ab4c64a54c3c6de57108b7b83bdcf03413285f06adccfa2bbc5535d20a684682',
      arm64: '8ebf22503229b14e29136de68bd2b6994f70433dd22e0be9ee9bcb785f977a00',
    },
    '1.24.15': {
      amd64: '577bb7424eb83b4ddedc920f4e719283cf28a8468e412c2003372c138090358f',
      arm64: 'a1e253b03c1a6e22f315e4619d4cf26ee1282ccb3ef94c37357ee930699a10d7',
    },
    '1.25.13': {
      amd64: '0399cfd7031cf5f3d7f8485b243a5ef37230e63d105d5f29966f0f81a58a8f6d',
      arm64: '7a29aabb40a984f104b88c09312e897bb710e6bb68022537f8700e70971b984b',
    },
    '1.26.13': {
      amd64: '05860ef65deb594dc72034c0614f93d7ba9d1f229ff73b43c484298e22465f1b',
      arm64: '4925b769336df7cf5e7a7f33d82ee5c69ac67a7680ac1f7064534f971d9a79ab',
    },
    '1.27.14': {
      amd64: 'f28defa43f80f82ce909940c1b57b71cba1fcf0de6fc4723e798ef5c72376c28',
      arm64: '31c97a723021ccc90a47a15ad1de1ffdf58ba109aea922eb359ad2fcb8e8ce4b',
    },
    '1.28.12': {
      amd64: '4648ae155b1ab05ab8dbef417bde4d5acfcd5ad32e8d1e3209006b40c440a56c',
      arm64: '8e28fda6ab1bd506ca4090a0a617aa29d9988c7e23711e70819497089ba67388',
    },
    '1.29.12': {
      amd64: '45475d908f6c44bfbf994fec91a4d5ceebf41d93c9f3867e687b2fa67b57b5b0',
      arm64: '92237be83840bf8dd2318cb281ce309e907e0b665cac6b7629a5fa43a11ae606',
    },
    '1.30.13': {
      amd64: 'b8d8c3cc0c13b2e42c1d83ab6c03024825bc01887c923fd6f8568ebe066ec28e',
      arm64: '673ffbf0c84814a0625fef0d4e44647ec7cf3786ab839729d2d03782559b3cdf',
    },
    '1.31.13': {
      amd64: 'b7733cb0e36031ab8f69cf3f73cc364730141b107d24ecb75bee5b3122dc6b6e',
      arm64: '37e8f83b7bc4cb1b6f49d99cb0d23c2c692f9782abc4f03aad37cc7bd504af68',
    },
    '1.32.11': {
      amd64: '02b25e87a3fe14e9ea74c10d3b1e204d12af30b8ce7ed11af2a985b49ddb0b83',
      arm64: '7d1c3aaae0dffa8d5c90bbaed49f25d32f98332801bde55cfea6efaead639491',
    },
    '1.33.11': {
      amd64: '4a3d265ee760ee4490b55989e5c3d87deffefa86a6f100f2a7453d353a1ae255',
      arm64: '047641f9094195384b4ade77c8ba2f0d3cee30a9f0ed6c9b649d387c7a5858ee',
    },
    '1.34.11': {
      amd64: '4777a226b2ba3c1d656254bcf3f7ad471bf210042f361094216e51ab4fa9b4b6',
      arm64: 'f12879879481e9af46317c2c82a6dba7d59df78ed095e44e0399643df1c4c8ba',
    },
    '1.35.8': {
      amd64: '6971b9f95e54dbed67a2271abe6e78f8cc2894494649f3cf39e4b25a82dca923',
      arm64: '7744f84c49df6dff7d0a0471f9acef31568c02459659de83aa279cf3a04b1714',
    },
    '1.36.4': {
      amd64: 'cf2562db46c48ab84cc3791540778ee7fb1a0a008529adbb434723dd02ed8b4b',
      arm64: 'fd53ea3fcbd077844f50a3c67e9b52f62972a563674956bab0c0f4fb7ea37d50',
    },
  },
  kubectl: {
    '1.20.14': {
      amd64: '7b582833331dc98a20c01e27006c2949fe7141bb197d20d824ac7efe85230ea3',
      arm64: 'bfafaa9208b6c2e5806971e0b4fd9e98ba22940bfb42072b34426bc151125e9d',
    },
    '1.21.13': {
      amd64: '24fc367b5add5a06713ea8103041f6fc0cf4560a17f2c17916e7930037adc84a',
      arm64: 'ca40722f3a3cb1b7687e5cdbd3a374b64ba4566e979e8ee6cd6023fa09f82ffe',
    },
    '1.22.15': {
      amd64: '239a48f1e465ecfd99dd5e3d219066ffea7bbd4cdedb98524e82ff11fd72ba12',
      arm64: '206ccaa283eaf02f72d19cf7a490b71c7b9fa77c0eb265006db31ab84b56eac0',
    },
    '1.23.16': {
      amd64: '5f914edc9dbfbe1b8b8dc0f5dbbac28720a8dffeb940e3339c371e3612c37e48',
      arm64: 'a304cb4d5815e05a45f00ac9fccfae32761a5a3e26cae40c2791b28b0b80db2d',
    },
    '1.24.15': {
      amd64: 'a45d390e17d1cd4bf93eaa733ebc87ed1a38fd867316919bdc59bee9f96e4d8e',
      arm64: '49f794a719d2e5c6cc1fbd19c45603e5e62e828be216975e4ae1a71eacba78f2',
    },
    '1.25.13': {
      amd64: '22c5d5cb95b671ea7d7accd77e60e4a787b6d40a6b8ba4d6c364cb3ca818c29a',
      arm64: '90bb3c9126b64f5eee2bef5a584da8bf0a38334e341b427b6986261af5f0d49b',
    },
    '1.26.13': {
      amd64: 'e4bad4273431f9f5f05f27f5c2054cbbad6d9ee00b85e0810cb4ef0489b02571',
      arm64: '4abebc34c114111b81bbf5222f0810e6899937d04bc453d9ccd77046643bbcda',
    },
    '1.27.14': {
      amd64: '1d2431c68bb6dfa9de3cd40fd66d97a9ac73593c489f9467249eea43e9c16a1e',
      arm64: '29f3a1f520d929df38873c68dec73519c1e5e521140e01cf9d7701f7b5ffe4f3',
    },
    '1.28.12': {
      amd64: 'e8aee7c9206c00062ced394418a17994b58f279a93a1be1143b08afe1758a3a2',
      arm64: 'f7e01dfffebb1d5811c37d558f28eefd80cbfadc0b9783b0b0ebf37c40c5c891',
    },
    '1.29.12': {
      amd64: '35fc028853e6f5299a53f22ab58273ea2d882c0f261ead0a2eed5b844b12dbfb',
      arm64: '1cf2c00bb4f5ee6df69678e95af8ba9a4d4b1050ddefb0ae9d84b5c6f6c0e817',
    },
    '1.30.13': {
      amd64: 'b92bd89b27386b671841d5970b926b645c2ae44e5ca0663cff0f1c836a1530ee',
      arm64: 'afed1753b98ab30812203cb469e013082b25502c864f2889e8a0474aac497064',
    },
    '1.31.13': {
      amd64: 'ce427a4df97b044bf6beaf38be6b3aaafb1b5c782c406958b3c71ebb25a48fe3',
      arm64: 'cfe055bd02650cd5c2687599069630cf4a602f1c99be63986a25b775752620db',
    },
    '1.32.11': {
      amd64: '48581d0e808bd8b7d3c3fc014e86b170e25a987df04c8a879b982b28a5180815',
      arm64: 'b1c91c106ec20e61c5dff869e9a39e6af4fb96572bddaac9cce307dfa3ed2348',
    },
    '1.33.11': {
      amd64: '5d0ff87b99e4bbc38b9876b3172c414f8691008d291e36f89547318925ce7716',
      arm64: '75ba96c8cc1f74c67ef3890e43186c0f308ee71d71c8d517879fd703c922d903',
    },
    '1.34.11': {
      amd64: '8efbb9435132a190920eb65a47a8c1ecf755ad85ab57a600c9bedbab460bb7a8',
      arm64: '5b045a4712674c88a56fd98eef4285689738b7fbe8735e1b9ee3509521af5cb4',
    },
    '1.35.8': {
      amd64: '874d5e72dbb819f43cff16bcd1e4f8bac5b7f2361fe1e55049b0a6c676fb0cbf',
      arm64: 'cc749967b62f4422260bc9c0aa7a7c55f45175ae38cb8d95767b5d2b7e04c1fd',
    },
    '1.36.4': {
      amd64: '8b8f088da2dab964f853b38464033b1be15ede2839eca751482357c45abdd05a',
      arm64: '0ecf44450ee6063bf19dd166a103ee6df4a9034455c2abce626e6eea657d73fb',
    },
  },
  etcd: {
    '3.5.33': {
      amd64: '5025b5b24d81a9616b6e284ccd439b9a3df055ef8fdcdc142af3ec8f6a3b3c95',
      arm64: '0764c5c0acef155f4bfa0487791cc5776adef66315bf16ec0653883bfd463a90',
    },
    '3.6.14': {
      amd64: 'ffe840ff9295808e88cce2794a18a5ac87f12a5203c8314d0bf6aa119b41bac5',
      arm64: 'fa1b80565ee6fc2df1ae6f57a508b221f3ecc7d591c317c581cd8281b0842b3e',
    },
  },
  // Of the static build.
  containerd: {
    '1.7.34': {
      amd64: '8e244782bbbbe39b2213b961f0939974e88b33f68bed13c6b51f8b4c4ab8ca47',
      arm64: '4aa54ecace7a22bc9e5dccbf06de7a0d8ad79db02fb04b348191802c8880cbc7',
    },
    '2.3.4': {
      amd64: '1d0eccd52471ab75e8d4645b538f73dc635f905cd2be776366eb1036a0089595',
      arm64: 'ad21f456a69bca9c183a8bde892a7576d5d09ae88b3e376a47bde4a886037ab3',
    },
  },
  runc: {
    '1.3.6': {
      amd64: '3f3921dbbee7723e9868f97e88e51ffc910206e3ba55646e74d93d24ea76023c',
      arm64: '6be27a061ef89bb14c6cb495405bba80f46cea213b8f79378a6086b1bac6b747',
    },
    '1.4.3': {
      amd64: 'f6ae8efc0fa40079e1475e97cbe9d1bd3f106a28d6af78a11d9f1bd565515e60',
      arm64: '633301e2e32f8a5ad54031aab4901eb00308bec677dd15faa2751e8f9dab5ca4',
    },
  },
  cni: {
    '0.9.1': {
      amd64: '962100bbc4baeaaa5748cdbfce941f756b1531c2eadb290129401498bfac21e7',
      arm64: 'ef17764ffd6cdcb16d76401bac1db6acc050c9b088f1be5efa0e094ea3b01df0',
    },
    '1.0.1': {
      amd64: '5238fbb2767cbf6aae736ad97a7aa29167525dcd405196dfbc064672a730d3cf',
      arm64: '2d4528c45bdd0a8875f849a75082bc4eafe95cb61f9bcc10a6db38a031f67226',
    },
    '1.1.1': {
      amd64: 'b275772da4026d2161bf8a8b41ed4786754c8a93ebfb6564006d5da7f23831e5',
      arm64: '16484966a46b4692028ba32d16afd994e079dc2cc63fbc2191d7bfaf5e11f3dd',
    },
    '1.2.0': {
      amd64: 'f3a841324845ca6bf0d4091b4fc7f97e18a623172158b72fc3fdcdb9d42d2d37',
      arm64: '525e2b62ba92a1b6f3dc9612449a84aa61652e680f7ebf4eff579795fe464b57',
    },
    '1.3.0': {
      amd64: '754a71ed60a4bd08726c3af705a7d55ee3df03122b12e389fdba4bea35d7dd7e',
      arm64: 'de7a666fd6ad83a228086bd55756db62ef335a193d1b143d910b69f079e30598',
    },
    '1.4.1': {
      amd64: '2a0ea7072d1806b8526489bcd3b4847a06ab010ee32ba3c3d4e5a3235d3eb138',
      arm64: '56fe62d73942cffd8f119d2b8ecb6a062e85f529a3dbfc7aa5cd83c2c01929a7',
    },
    '1.5.1': {
      amd64: '77baa2f669980a82255ffa2f2717de823992480271ee778aa51a9c60ae89ff9b',
      arm64: 'c2a292714d0fad98a3491ae43df8ad58354b3c0bdf5d5a3e281777967c70fcff',
    },
    '1.6.2': {
      amd64: 'b8e811578fb66023f90d2e238d80cec3bdfca4b44049af74c374d4fae0f9c090',
      arm64: '01e0e22acc7f7004e4588c1fe1871cc86d7ab562cd858e1761c4641d89ebfaa4',
    },
    '1.7.1': {
      amd64: '1a28a0506bfe5bcdc981caf1a49eeab7e72da8321f1119b7be85f22621013098',
      arm64: '119fcb508d1ac2149e49a550752f9cd64d023a1d70e189b59c476e4d2bf7c497',
    },
    '1.8.0': {
      amd64: 'ab3bda535f9d90766cccc90d3dddb5482003dd744d7f22bcf98186bf8eea8be6',
      arm64: '57ce466fc3b79db1f19b8f4c63e07a1112306efa53c94fe810a2150dd9e07ddb',
    },
    '1.9.1': {
      amd64: 'b98f74a0f8522f0a83867178729c1aa70f2158f90c45a2ca8fa791db1c76b303',
      arm64: '56171987d3947707c3563db2f4001bccaf50fd63468611b9f3cbecb1375ee7ec',
    },
  },
  // The release has no file of checksums. amd64 alone: that of arm64 is not known.
  catatonit: {
    '0.2.1': {
      amd64: '8293951eaa7767fa411e3b89777bd01bc5e56db9ba6d145ad10cc4d05b01e961',
    },
  },
};
