/**
 * The program's interface with names in camelCase, as the client sees it.
 *
 * This is a type only; the interface itself is in `target/idl/escrow.json`.
 */
export type Escrow = {
  address: "FSYL7pJUxeZnou43ozsVScWPvh32ScJ7p8Hu3UT8Fw78",
  metadata: {
    name: "escrow",
    version: "0.1.0",
    spec: "0.1.0",
    description: "Escrow for paid answers: lamports wait until a signed answer is settled"
  },
  instructions: [
    {
      name: "jobClaim",
      docs: [
        "Releases the payment after the client's time to object."
      ],
      discriminator: [
        169,
        216,
        229,
        141,
        110,
        205,
        146,
        155
      ],
      accounts: [
        {
          name: "client",
          writable: true,
          relations: [
            "job"
          ]
        },
        {
          name: "authority",
          writable: true
        },
        {
          name: "provider",
          writable: true,
          pda: {
            seeds: [
              {
                kind: "const",
                value: [
                  112,
                  114,
                  111,
                  118,
                  105,
                  100,
                  101,
                  114
                ]
              },
              {
                kind: "account",
                path: "job.provider",
                account: "job"
              }
            ]
          }
        },
        {
          name: "job",
          writable: true
        }
      ],
      args: []
    },
    {
      name: "jobConfirm",
      docs: [
        "Pays for what was delivered."
      ],
      discriminator: [
        246,
        236,
        250,
        58,
        136,
        123,
        181,
        255
      ],
      accounts: [
        {
          name: "client",
          writable: true,
          signer: true,
          relations: [
            "job"
          ]
        },
        {
          name: "authority",
          writable: true
        },
        {
          name: "provider",
          writable: true,
          pda: {
            seeds: [
              {
                kind: "const",
                value: [
                  112,
                  114,
                  111,
                  118,
                  105,
                  100,
                  101,
                  114
                ]
              },
              {
                kind: "account",
                path: "job.provider",
                account: "job"
              }
            ]
          }
        },
        {
          name: "job",
          writable: true
        }
      ],
      args: []
    },
    {
      name: "jobCreate",
      docs: [
        "Locks lamports for an answer."
      ],
      discriminator: [
        56,
        13,
        177,
        118,
        175,
        158,
        29,
        183
      ],
      accounts: [
        {
          name: "client",
          writable: true,
          signer: true
        },
        {
          name: "provider",
          writable: true,
          pda: {
            seeds: [
              {
                kind: "const",
                value: [
                  112,
                  114,
                  111,
                  118,
                  105,
                  100,
                  101,
                  114
                ]
              },
              {
                kind: "account",
                path: "provider.authority",
                account: "provider"
              }
            ]
          }
        },
        {
          name: "job",
          writable: true
        },
        {
          name: "systemProgram",
          address: "11111111111111111111111111111111"
        }
      ],
      args: [
        {
          name: "terms",
          type: {
            defined: {
              name: "jobTerms"
            }
          }
        }
      ]
    },
    {
      name: "jobDecline",
      docs: [
        "Refuses an open job: everything goes back."
      ],
      discriminator: [
        242,
        238,
        104,
        116,
        234,
        124,
        90,
        113
      ],
      accounts: [
        {
          name: "authority",
          signer: true
        },
        {
          name: "client",
          writable: true,
          relations: [
            "job"
          ]
        },
        {
          name: "job",
          writable: true
        }
      ],
      args: []
    },
    {
      name: "jobRefund",
      docs: [
        "Refunds a job that was not submitted in time."
      ],
      discriminator: [
        44,
        59,
        103,
        166,
        229,
        44,
        202,
        230
      ],
      accounts: [
        {
          name: "client",
          writable: true,
          relations: [
            "job"
          ]
        },
        {
          name: "provider",
          writable: true,
          pda: {
            seeds: [
              {
                kind: "const",
                value: [
                  112,
                  114,
                  111,
                  118,
                  105,
                  100,
                  101,
                  114
                ]
              },
              {
                kind: "account",
                path: "job.provider",
                account: "job"
              }
            ]
          }
        },
        {
          name: "job",
          writable: true
        }
      ],
      args: []
    },
    {
      name: "jobReject",
      docs: [
        "Burns the payment for what was delivered."
      ],
      discriminator: [
        168,
        141,
        4,
        228,
        64,
        142,
        13,
        97
      ],
      accounts: [
        {
          name: "client",
          writable: true,
          signer: true,
          relations: [
            "job"
          ]
        },
        {
          name: "provider",
          writable: true,
          pda: {
            seeds: [
              {
                kind: "const",
                value: [
                  112,
                  114,
                  111,
                  118,
                  105,
                  100,
                  101,
                  114
                ]
              },
              {
                kind: "account",
                path: "job.provider",
                account: "job"
              }
            ]
          }
        },
        {
          name: "incinerator",
          writable: true,
          address: "1nc1nerator11111111111111111111111111111111"
        },
        {
          name: "job",
          writable: true
        }
      ],
      args: [
        {
          name: "args",
          type: {
            defined: {
              name: "jobRejectArgs"
            }
          }
        }
      ]
    },
    {
      name: "jobSubmit",
      docs: [
        "Submits what was delivered."
      ],
      discriminator: [
        7,
        149,
        178,
        233,
        159,
        132,
        86,
        33
      ],
      accounts: [
        {
          name: "authority",
          signer: true
        },
        {
          name: "provider",
          writable: true,
          pda: {
            seeds: [
              {
                kind: "const",
                value: [
                  112,
                  114,
                  111,
                  118,
                  105,
                  100,
                  101,
                  114
                ]
              },
              {
                kind: "account",
                path: "job.provider",
                account: "job"
              }
            ]
          }
        },
        {
          name: "job",
          writable: true
        },
        {
          name: "instructions",
          address: "Sysvar1nstructions1111111111111111111111111"
        }
      ],
      args: [
        {
          name: "args",
          type: {
            defined: {
              name: "jobSubmitArgs"
            }
          }
        }
      ]
    },
    {
      name: "providerAddStake",
      docs: [
        "Adds to a provider's stake."
      ],
      discriminator: [
        234,
        113,
        152,
        36,
        96,
        152,
        108,
        251
      ],
      accounts: [
        {
          name: "payer",
          writable: true,
          signer: true
        },
        {
          name: "provider",
          writable: true,
          pda: {
            seeds: [
              {
                kind: "const",
                value: [
                  112,
                  114,
                  111,
                  118,
                  105,
                  100,
                  101,
                  114
                ]
              },
              {
                kind: "account",
                path: "provider.authority",
                account: "provider"
              }
            ]
          }
        },
        {
          name: "systemProgram",
          address: "11111111111111111111111111111111"
        }
      ],
      args: [
        {
          name: "args",
          type: {
            defined: {
              name: "providerAddStakeArgs"
            }
          }
        }
      ]
    },
    {
      name: "providerRegister",
      docs: [
        "Registers a provider with its first stake. The node's key must have signed for this authority."
      ],
      discriminator: [
        185,
        15,
        121,
        136,
        182,
        164,
        89,
        32
      ],
      accounts: [
        {
          name: "authority",
          writable: true,
          signer: true
        },
        {
          name: "provider",
          writable: true,
          pda: {
            seeds: [
              {
                kind: "const",
                value: [
                  112,
                  114,
                  111,
                  118,
                  105,
                  100,
                  101,
                  114
                ]
              },
              {
                kind: "account",
                path: "authority"
              }
            ]
          }
        },
        {
          name: "instructions",
          address: "Sysvar1nstructions1111111111111111111111111"
        },
        {
          name: "systemProgram",
          address: "11111111111111111111111111111111"
        }
      ],
      args: [
        {
          name: "args",
          type: {
            defined: {
              name: "providerRegisterArgs"
            }
          }
        }
      ]
    },
    {
      name: "providerRequestUnstake",
      docs: [
        "Asks for stake back."
      ],
      discriminator: [
        56,
        174,
        77,
        132,
        180,
        111,
        64,
        160
      ],
      accounts: [
        {
          name: "authority",
          signer: true,
          relations: [
            "provider"
          ]
        },
        {
          name: "provider",
          writable: true,
          pda: {
            seeds: [
              {
                kind: "const",
                value: [
                  112,
                  114,
                  111,
                  118,
                  105,
                  100,
                  101,
                  114
                ]
              },
              {
                kind: "account",
                path: "authority"
              }
            ]
          }
        }
      ],
      args: [
        {
          name: "args",
          type: {
            defined: {
              name: "providerRequestUnstakeArgs"
            }
          }
        }
      ]
    },
    {
      name: "providerRotatePeer",
      docs: [
        "Replaces the key of the provider's node. The new key must have signed for this authority."
      ],
      discriminator: [
        73,
        107,
        125,
        108,
        121,
        126,
        64,
        103
      ],
      accounts: [
        {
          name: "authority",
          signer: true,
          relations: [
            "provider"
          ]
        },
        {
          name: "provider",
          writable: true,
          pda: {
            seeds: [
              {
                kind: "const",
                value: [
                  112,
                  114,
                  111,
                  118,
                  105,
                  100,
                  101,
                  114
                ]
              },
              {
                kind: "account",
                path: "authority"
              }
            ]
          }
        },
        {
          name: "instructions",
          address: "Sysvar1nstructions1111111111111111111111111"
        }
      ],
      args: [
        {
          name: "args",
          type: {
            defined: {
              name: "providerRotatePeerArgs"
            }
          }
        }
      ]
    },
    {
      name: "providerWithdraw",
      docs: [
        "Pays out the stake that was asked back, after the cooldown."
      ],
      discriminator: [
        58,
        126,
        168,
        66,
        6,
        165,
        115,
        3
      ],
      accounts: [
        {
          name: "authority",
          writable: true,
          signer: true,
          relations: [
            "provider"
          ]
        },
        {
          name: "provider",
          writable: true,
          pda: {
            seeds: [
              {
                kind: "const",
                value: [
                  112,
                  114,
                  111,
                  118,
                  105,
                  100,
                  101,
                  114
                ]
              },
              {
                kind: "account",
                path: "authority"
              }
            ]
          }
        }
      ],
      args: []
    },
    {
      name: "slashEquivocation",
      docs: [
        "Slashes for two signed heads that contradict each other."
      ],
      discriminator: [
        20,
        87,
        239,
        196,
        234,
        109,
        43,
        138
      ],
      accounts: [
        {
          name: "client",
          writable: true,
          relations: [
            "job"
          ]
        },
        {
          name: "provider",
          writable: true,
          pda: {
            seeds: [
              {
                kind: "const",
                value: [
                  112,
                  114,
                  111,
                  118,
                  105,
                  100,
                  101,
                  114
                ]
              },
              {
                kind: "account",
                path: "job.provider",
                account: "job"
              }
            ]
          }
        },
        {
          name: "incinerator",
          writable: true,
          address: "1nc1nerator11111111111111111111111111111111"
        },
        {
          name: "job",
          writable: true
        },
        {
          name: "instructions",
          address: "Sysvar1nstructions1111111111111111111111111"
        }
      ],
      args: [
        {
          name: "args",
          type: {
            defined: {
              name: "slashEquivocationArgs"
            }
          }
        }
      ]
    },
    {
      name: "slashHeadMismatch",
      docs: [
        "Slashes for a signed final head that is not the submitted one."
      ],
      discriminator: [
        109,
        218,
        185,
        150,
        166,
        241,
        224,
        71
      ],
      accounts: [
        {
          name: "client",
          writable: true,
          relations: [
            "job"
          ]
        },
        {
          name: "provider",
          writable: true,
          pda: {
            seeds: [
              {
                kind: "const",
                value: [
                  112,
                  114,
                  111,
                  118,
                  105,
                  100,
                  101,
                  114
                ]
              },
              {
                kind: "account",
                path: "job.provider",
                account: "job"
              }
            ]
          }
        },
        {
          name: "incinerator",
          writable: true,
          address: "1nc1nerator11111111111111111111111111111111"
        },
        {
          name: "job",
          writable: true
        },
        {
          name: "instructions",
          address: "Sysvar1nstructions1111111111111111111111111"
        }
      ],
      args: [
        {
          name: "args",
          type: {
            defined: {
              name: "slashHeadMismatchArgs"
            }
          }
        }
      ]
    },
    {
      name: "slashSampler",
      docs: [
        "Slashes for a committed step whose token was not drawn."
      ],
      discriminator: [
        42,
        151,
        144,
        33,
        114,
        24,
        135,
        126
      ],
      accounts: [
        {
          name: "client",
          writable: true,
          relations: [
            "job"
          ]
        },
        {
          name: "provider",
          writable: true,
          pda: {
            seeds: [
              {
                kind: "const",
                value: [
                  112,
                  114,
                  111,
                  118,
                  105,
                  100,
                  101,
                  114
                ]
              },
              {
                kind: "account",
                path: "job.provider",
                account: "job"
              }
            ]
          }
        },
        {
          name: "incinerator",
          writable: true,
          address: "1nc1nerator11111111111111111111111111111111"
        },
        {
          name: "job",
          writable: true
        }
      ],
      args: [
        {
          name: "args",
          type: {
            defined: {
              name: "slashSamplerArgs"
            }
          }
        }
      ]
    }
  ],
  accounts: [
    {
      name: "job",
      discriminator: [
        75,
        124,
        80,
        203,
        161,
        180,
        202,
        80
      ]
    },
    {
      name: "provider",
      discriminator: [
        164,
        180,
        71,
        17,
        75,
        216,
        80,
        195
      ]
    }
  ],
  types: [
    {
      docs: [
        "The client said nothing in time: the provider was paid, the rest went back."
      ],
      name: "jobClaimed",
      type: {
        fields: [
          {
            name: "job",
            type: "pubkey"
          },
          {
            name: "jobId",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "client",
            type: "pubkey"
          },
          {
            name: "provider",
            type: "pubkey"
          },
          {
            name: "paid",
            type: "u64"
          },
          {
            name: "refunded",
            type: "u64"
          }
        ],
        kind: "struct"
      }
    },
    {
      docs: [
        "The client was content: the provider was paid, the rest went back."
      ],
      name: "jobConfirmed",
      type: {
        fields: [
          {
            name: "job",
            type: "pubkey"
          },
          {
            name: "jobId",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "client",
            type: "pubkey"
          },
          {
            name: "provider",
            type: "pubkey"
          },
          {
            name: "paid",
            type: "u64"
          },
          {
            name: "refunded",
            type: "u64"
          }
        ],
        kind: "struct"
      }
    },
    {
      docs: [
        "`amount` was locked."
      ],
      name: "jobCreated",
      type: {
        fields: [
          {
            name: "job",
            type: "pubkey"
          },
          {
            name: "jobId",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "client",
            type: "pubkey"
          },
          {
            name: "provider",
            type: "pubkey"
          },
          {
            name: "number",
            type: "u64"
          },
          {
            name: "amount",
            type: "u64"
          }
        ],
        kind: "struct"
      }
    },
    {
      docs: [
        "The provider gave everything back."
      ],
      name: "jobDeclined",
      type: {
        fields: [
          {
            name: "job",
            type: "pubkey"
          },
          {
            name: "jobId",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "client",
            type: "pubkey"
          },
          {
            name: "provider",
            type: "pubkey"
          },
          {
            name: "refunded",
            type: "u64"
          }
        ],
        kind: "struct"
      }
    },
    {
      docs: [
        "Nothing was submitted in time: everything went back."
      ],
      name: "jobRefunded",
      type: {
        fields: [
          {
            name: "job",
            type: "pubkey"
          },
          {
            name: "jobId",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "client",
            type: "pubkey"
          },
          {
            name: "provider",
            type: "pubkey"
          },
          {
            name: "refunded",
            type: "u64"
          }
        ],
        kind: "struct"
      }
    },
    {
      docs: [
        "The client was not: the price was burnt, the rest went back."
      ],
      name: "jobRejected",
      type: {
        fields: [
          {
            name: "job",
            type: "pubkey"
          },
          {
            name: "jobId",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "client",
            type: "pubkey"
          },
          {
            name: "provider",
            type: "pubkey"
          },
          {
            docs: [
              "Digest of the verdict that the client holds."
            ],
            name: "verdictDigest",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "burnt",
            type: "u64"
          },
          {
            name: "refunded",
            type: "u64"
          }
        ],
        kind: "struct"
      }
    },
    {
      docs: [
        "A fault was proved: everything went back, and `compensation` from the stake."
      ],
      name: "jobSlashed",
      type: {
        fields: [
          {
            name: "job",
            type: "pubkey"
          },
          {
            name: "jobId",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "client",
            type: "pubkey"
          },
          {
            name: "provider",
            type: "pubkey"
          },
          {
            name: "reason",
            type: {
              defined: {
                name: "slashReason"
              }
            }
          },
          {
            name: "refunded",
            type: "u64"
          },
          {
            name: "compensation",
            type: "u64"
          },
          {
            name: "burnt",
            type: "u64"
          }
        ],
        kind: "struct"
      }
    },
    {
      docs: [
        "The provider's head is stored, and its stake locked."
      ],
      name: "jobSubmitted",
      type: {
        fields: [
          {
            name: "job",
            type: "pubkey"
          },
          {
            name: "jobId",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "client",
            type: "pubkey"
          },
          {
            name: "provider",
            type: "pubkey"
          },
          {
            name: "root",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "textDigest",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "promptCount",
            type: "u32"
          },
          {
            name: "tokenCount",
            type: "u32"
          },
          {
            name: "paidCount",
            type: "u32"
          },
          {
            name: "finish",
            type: "u8"
          },
          {
            docs: [
              "Unix seconds."
            ],
            name: "submittedAt",
            type: "i64"
          }
        ],
        kind: "struct"
      }
    },
    {
      docs: [
        "Another node works for `authority`. Jobs that exist keep the old key."
      ],
      name: "peerRotated",
      type: {
        fields: [
          {
            name: "provider",
            type: "pubkey"
          },
          {
            name: "authority",
            type: "pubkey"
          },
          {
            name: "oldPeer",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "newPeer",
            type: {
              array: [
                "u8",
                32
              ]
            }
          }
        ],
        kind: "struct"
      }
    },
    {
      docs: [
        "A node works for `authority` from now on."
      ],
      name: "providerRegistered",
      type: {
        fields: [
          {
            name: "provider",
            type: "pubkey"
          },
          {
            name: "authority",
            type: "pubkey"
          },
          {
            name: "peer",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "stake",
            type: "u64"
          }
        ],
        kind: "struct"
      }
    },
    {
      name: "slashReason",
      type: {
        kind: "enum",
        variants: [
          {
            name: "equivocation"
          },
          {
            name: "headMismatch"
          },
          {
            name: "sampler"
          }
        ]
      }
    },
    {
      docs: [
        "`stake` is what it comes to."
      ],
      name: "stakeAdded",
      type: {
        fields: [
          {
            name: "provider",
            type: "pubkey"
          },
          {
            name: "payer",
            type: "pubkey"
          },
          {
            name: "amount",
            type: "u64"
          },
          {
            name: "stake",
            type: "u64"
          }
        ],
        kind: "struct"
      }
    },
    {
      docs: [
        "`stake` is what is left."
      ],
      name: "stakeWithdrawn",
      type: {
        fields: [
          {
            name: "provider",
            type: "pubkey"
          },
          {
            name: "amount",
            type: "u64"
          },
          {
            name: "stake",
            type: "u64"
          }
        ],
        kind: "struct"
      }
    },
    {
      docs: [
        "This much stake was asked back."
      ],
      name: "unstakeRequested",
      type: {
        fields: [
          {
            name: "provider",
            type: "pubkey"
          },
          {
            name: "amount",
            type: "u64"
          },
          {
            docs: [
              "Unix seconds from which it can be withdrawn."
            ],
            name: "unstakeAt",
            type: "i64"
          }
        ],
        kind: "struct"
      }
    },
    {
      name: "jobRejectArgs",
      type: {
        kind: "struct",
        fields: [
          {
            name: "verdictDigest",
            docs: [
              "Digest of the verdict that the client holds. Only recorded: no program can re-execute a model."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          }
        ]
      }
    },
    {
      name: "jobSubmitArgs",
      type: {
        kind: "struct",
        fields: [
          {
            name: "number",
            docs: [
              "Number of the job that was served. A client that has its money back could create another job under the same id,",
              "with another seed, and have a submit that is still under way land on that."
            ],
            type: "u64"
          },
          {
            name: "delivery",
            docs: [
              "The fields of the final head."
            ],
            type: {
              defined: {
                name: "delivery"
              }
            }
          }
        ]
      }
    },
    {
      name: "providerAddStakeArgs",
      type: {
        kind: "struct",
        fields: [
          {
            name: "amount",
            docs: [
              "Lamports."
            ],
            type: "u64"
          }
        ]
      }
    },
    {
      name: "providerRegisterArgs",
      type: {
        kind: "struct",
        fields: [
          {
            name: "peer",
            docs: [
              "Ed25519 key of the node."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "stake",
            docs: [
              "Lamports."
            ],
            type: "u64"
          }
        ]
      }
    },
    {
      name: "providerRequestUnstakeArgs",
      type: {
        kind: "struct",
        fields: [
          {
            name: "amount",
            docs: [
              "Lamports."
            ],
            type: "u64"
          }
        ]
      }
    },
    {
      name: "providerRotatePeerArgs",
      type: {
        kind: "struct",
        fields: [
          {
            name: "peer",
            docs: [
              "The new Ed25519 key of the node."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          }
        ]
      }
    },
    {
      name: "slashEquivocationArgs",
      type: {
        kind: "struct",
        fields: [
          {
            name: "first",
            docs: [
              "Body of one head. Both are signed in the instruction before, in this order."
            ],
            type: {
              array: [
                "u8",
                202
              ]
            }
          },
          {
            name: "second",
            docs: [
              "Body of the other."
            ],
            type: {
              array: [
                "u8",
                202
              ]
            }
          }
        ]
      }
    },
    {
      name: "slashHeadMismatchArgs",
      type: {
        kind: "struct",
        fields: [
          {
            name: "head",
            docs: [
              "Body of a final head, signed in the instruction before."
            ],
            type: {
              array: [
                "u8",
                202
              ]
            }
          }
        ]
      }
    },
    {
      name: "slashSamplerArgs",
      type: {
        kind: "struct",
        fields: [
          {
            name: "index",
            docs: [
              "Index of the step among the answer's tokens."
            ],
            type: "u32"
          },
          {
            name: "step",
            docs: [
              "What its leaf was made of."
            ],
            type: {
              defined: {
                name: "step"
              }
            }
          },
          {
            name: "path",
            docs: [
              "Audit path, from the leaf up."
            ],
            type: {
              vec: {
                array: [
                  "u8",
                  32
                ]
              }
            }
          }
        ]
      }
    },
    {
      name: "candidate",
      docs: [
        "A token that could have been next, with its logit × 1024, rounded."
      ],
      type: {
        kind: "struct",
        fields: [
          {
            name: "id",
            docs: [
              "Token."
            ],
            type: "u32"
          },
          {
            name: "q",
            docs: [
              "Logit × 1024, rounded."
            ],
            type: "i32"
          }
        ]
      }
    },
    {
      name: "sampler",
      docs: [
        "What the offer says about sampling. `temperature` and `min_p` are hundredths."
      ],
      type: {
        kind: "struct",
        fields: [
          {
            name: "temperature",
            docs: [
              "0 to 200."
            ],
            type: "u8"
          },
          {
            name: "minP",
            docs: [
              "0 to 100."
            ],
            type: "u8"
          },
          {
            name: "topK",
            docs: [
              "1 to 20."
            ],
            type: "u8"
          },
          {
            name: "vocab",
            docs: [
              "Number of token ids of the model, at least 1."
            ],
            type: "u32"
          }
        ]
      }
    },
    {
      name: "step",
      docs: [
        "What a leaf is the hash of, besides job id and index."
      ],
      type: {
        kind: "struct",
        fields: [
          {
            name: "token",
            docs: [
              "The token that was given."
            ],
            type: "u32"
          },
          {
            name: "prefix",
            docs: [
              "Digest of everything before it."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "salt",
            docs: [
              "Hides the candidates until they are opened."
            ],
            type: {
              array: [
                "u8",
                16
              ]
            }
          },
          {
            name: "candidates",
            docs: [
              "In the order in which they were committed."
            ],
            type: {
              vec: {
                defined: {
                  name: "candidate"
                }
              }
            }
          },
          {
            name: "exact",
            docs: [
              "Digest of the unrounded logits."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "zk",
            docs: [
              "`None` stands for 32 zero bytes."
            ],
            type: {
              option: {
                array: [
                  "u8",
                  32
                ]
              }
            }
          }
        ]
      }
    },
    {
      name: "delivery",
      docs: [
        "What the provider says it delivered: the fields of its final head."
      ],
      type: {
        kind: "struct",
        fields: [
          {
            name: "root",
            docs: [
              "Root of the tree over all steps."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "textDigest",
            docs: [
              "Digest of the answer's text."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "promptCount",
            docs: [
              "Tokens of the prompt."
            ],
            type: "u32"
          },
          {
            name: "tokenCount",
            docs: [
              "Tokens of the answer."
            ],
            type: "u32"
          },
          {
            name: "finish",
            docs: [
              "How the answer ended: 0 stop token, 1 most tokens, 2 cancelled."
            ],
            type: "u8"
          },
          {
            name: "cancelN",
            docs: [
              "Tokens that the client's cancel names, where `finish` is 2 and only there."
            ],
            type: {
              option: "u32"
            }
          }
        ]
      }
    },
    {
      name: "job",
      docs: [
        "Seeds: `\"job\"`, client, job id. Its lamports are the rent minimum and `amount`."
      ],
      type: {
        kind: "struct",
        fields: [
          {
            name: "version",
            docs: [
              "Layout version of this account."
            ],
            type: "u8"
          },
          {
            name: "bump",
            docs: [
              "Canonical bump of its address."
            ],
            type: "u8"
          },
          {
            name: "status",
            docs: [
              "What may happen next."
            ],
            type: {
              defined: {
                name: "jobStatus"
              }
            }
          },
          {
            name: "jobId",
            docs: [
              "The protocol's job id: a digest of the offer."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "client",
            docs: [
              "Wallet that paid, and gets back what is not spent."
            ],
            type: "pubkey"
          },
          {
            name: "provider",
            docs: [
              "Authority of the provider, which is paid."
            ],
            type: "pubkey"
          },
          {
            name: "peer",
            docs: [
              "Key of the provider's node when the job was created. A later rotation changes nothing here."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "clientPeer",
            docs: [
              "Key of the client's node, the offer's `client`. Signs a cancel."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "priceIn",
            docs: [
              "Lamports per 1,000 prompt tokens."
            ],
            type: "u64"
          },
          {
            name: "priceOut",
            docs: [
              "Lamports per 1,000 answer tokens."
            ],
            type: "u64"
          },
          {
            name: "amount",
            docs: [
              "Lamports locked: the most that the answer can cost."
            ],
            type: "u64"
          },
          {
            name: "stakeAtRisk",
            docs: [
              "Lamports of the provider's stake that a proven fault takes."
            ],
            type: "u64"
          },
          {
            name: "seed",
            docs: [
              "Seed of the draws."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "sampler",
            docs: [
              "How tokens are drawn."
            ],
            type: {
              defined: {
                name: "sampler"
              }
            }
          },
          {
            name: "maxTokens",
            docs: [
              "Most tokens of the answer."
            ],
            type: "u32"
          },
          {
            name: "createdAt",
            docs: [
              "Unix seconds."
            ],
            type: "i64"
          },
          {
            name: "submittedAt",
            docs: [
              "Unix seconds, 0 while open."
            ],
            type: "i64"
          },
          {
            name: "promptCount",
            docs: [
              "Tokens of the prompt, 0 while open, as all that follows."
            ],
            type: "u32"
          },
          {
            name: "tokenCount",
            docs: [
              "Tokens of the answer."
            ],
            type: "u32"
          },
          {
            name: "paidCount",
            docs: [
              "Tokens of the answer that are paid: fewer where it was cancelled."
            ],
            type: "u32"
          },
          {
            name: "root",
            docs: [
              "Root of the tree over all steps."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "textDigest",
            docs: [
              "Digest of the answer's text."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "finish",
            docs: [
              "How the answer ended: 0 stop token, 1 most tokens, 2 cancelled; 255 while open."
            ],
            type: "u8"
          },
          {
            name: "number",
            docs: [
              "Number of this job among its provider's. Two jobs that follow each other under one address differ in it."
            ],
            type: "u64"
          }
        ]
      }
    },
    {
      name: "jobStatus",
      docs: [
        "A job that is settled has no account any more."
      ],
      type: {
        kind: "enum",
        variants: [
          {
            name: "open"
          },
          {
            name: "submitted"
          }
        ]
      }
    },
    {
      name: "jobTerms",
      docs: [
        "What the client asks for and pays."
      ],
      type: {
        kind: "struct",
        fields: [
          {
            name: "jobId",
            docs: [
              "The protocol's job id: a digest of the offer."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "peer",
            docs: [
              "Key of the node that the client's quote is from."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "clientPeer",
            docs: [
              "Key of the client's node, which signs a cancel."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "priceIn",
            docs: [
              "Lamports per 1,000 prompt tokens."
            ],
            type: "u64"
          },
          {
            name: "priceOut",
            docs: [
              "Lamports per 1,000 answer tokens."
            ],
            type: "u64"
          },
          {
            name: "amount",
            docs: [
              "Lamports to lock."
            ],
            type: "u64"
          },
          {
            name: "seed",
            docs: [
              "Seed of the draws."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "sampler",
            docs: [
              "How tokens are drawn."
            ],
            type: {
              defined: {
                name: "sampler"
              }
            }
          },
          {
            name: "maxTokens",
            docs: [
              "Most tokens of the answer."
            ],
            type: "u32"
          }
        ]
      }
    },
    {
      name: "provider",
      docs: [
        "Seeds: `\"provider\"`, authority. It is never closed, so that a bad record cannot be shed under the same authority.",
        "Its lamports are the rent minimum and the stake."
      ],
      type: {
        kind: "struct",
        fields: [
          {
            name: "version",
            docs: [
              "Layout version of this account."
            ],
            type: "u8"
          },
          {
            name: "bump",
            docs: [
              "Canonical bump of its address."
            ],
            type: "u8"
          },
          {
            name: "authority",
            docs: [
              "Wallet that registered, is paid and may withdraw."
            ],
            type: "pubkey"
          },
          {
            name: "peer",
            docs: [
              "Ed25519 key of the node, the one in its libp2p peer id. Signs heads."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "stake",
            docs: [
              "Lamports staked, locked ones included."
            ],
            type: "u64"
          },
          {
            name: "lockedStake",
            docs: [
              "Sum of `stake_at_risk` of the submitted jobs. At most `stake`."
            ],
            type: "u64"
          },
          {
            name: "jobsCompleted",
            docs: [
              "Jobs that were paid. Anyone can be their own client: evidence, not proof."
            ],
            type: "u64"
          },
          {
            name: "jobsRefunded",
            docs: [
              "Jobs that were not submitted in time."
            ],
            type: "u32"
          },
          {
            name: "jobsRejected",
            docs: [
              "Jobs that the client rejected."
            ],
            type: "u32"
          },
          {
            name: "jobsSlashed",
            docs: [
              "Jobs with a proven fault."
            ],
            type: "u32"
          },
          {
            name: "registeredAt",
            docs: [
              "Unix seconds."
            ],
            type: "i64"
          },
          {
            name: "unstakeAmount",
            docs: [
              "Lamports asked back, 0 for none. At most `stake`."
            ],
            type: "u64"
          },
          {
            name: "unstakeAt",
            docs: [
              "Unix seconds from which they can be withdrawn."
            ],
            type: "i64"
          },
          {
            name: "jobsCreated",
            docs: [
              "Jobs ever created for this provider: the number of the next one."
            ],
            type: "u64"
          },
          {
            name: "reserved",
            docs: [
              "Zero, for later versions."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          }
        ]
      }
    }
  ],
  events: [
    {
      discriminator: [
        176,
        110,
        104,
        38,
        27,
        220,
        61,
        191
      ],
      name: "jobClaimed"
    },
    {
      discriminator: [
        111,
        213,
        86,
        157,
        116,
        210,
        130,
        184
      ],
      name: "jobConfirmed"
    },
    {
      discriminator: [
        48,
        110,
        162,
        177,
        67,
        74,
        159,
        131
      ],
      name: "jobCreated"
    },
    {
      discriminator: [
        255,
        71,
        82,
        191,
        186,
        241,
        163,
        107
      ],
      name: "jobDeclined"
    },
    {
      discriminator: [
        156,
        171,
        111,
        37,
        17,
        174,
        8,
        167
      ],
      name: "jobRefunded"
    },
    {
      discriminator: [
        23,
        78,
        227,
        57,
        28,
        0,
        197,
        216
      ],
      name: "jobRejected"
    },
    {
      discriminator: [
        3,
        89,
        133,
        162,
        108,
        47,
        168,
        1
      ],
      name: "jobSlashed"
    },
    {
      discriminator: [
        129,
        204,
        35,
        127,
        38,
        50,
        131,
        248
      ],
      name: "jobSubmitted"
    },
    {
      discriminator: [
        157,
        64,
        14,
        122,
        103,
        60,
        151,
        175
      ],
      name: "peerRotated"
    },
    {
      discriminator: [
        38,
        209,
        137,
        78,
        185,
        19,
        147,
        14
      ],
      name: "providerRegistered"
    },
    {
      discriminator: [
        139,
        170,
        134,
        90,
        22,
        96,
        23,
        193
      ],
      name: "stakeAdded"
    },
    {
      discriminator: [
        33,
        120,
        159,
        58,
        140,
        255,
        174,
        79
      ],
      name: "stakeWithdrawn"
    },
    {
      discriminator: [
        21,
        253,
        177,
        85,
        129,
        206,
        42,
        152
      ],
      name: "unstakeRequested"
    }
  ],
  errors: [
    {
      code: 6000,
      name: "stakeTooLow",
      msg: "The provider's free stake does not cover this"
    },
    {
      code: 6001,
      name: "stakeLocked",
      msg: "This stake is locked by jobs that are not settled yet"
    },
    {
      code: 6002,
      name: "providerInactive",
      msg: "The provider has less than the minimum stake, or is withdrawing it"
    },
    {
      code: 6003,
      name: "amountZero",
      msg: "The amount must not be zero"
    },
    {
      code: 6004,
      name: "invalidStatus",
      msg: "The job is not in the state that this needs"
    },
    {
      code: 6005,
      name: "timeoutNotReached",
      msg: "The job can still be submitted: the time for a refund has not come"
    },
    {
      code: 6006,
      name: "deadlinePassed",
      msg: "The time in which the job could be submitted is over"
    },
    {
      code: 6007,
      name: "confirmWindowOpen",
      msg: "The client can still confirm or reject: the time for the automatic release has not come"
    },
    {
      code: 6008,
      name: "confirmWindowClosed",
      msg: "The time in which the client could reject is over"
    },
    {
      code: 6009,
      name: "unauthorized",
      msg: "This account has no right to do this"
    },
    {
      code: 6010,
      name: "mathOverflow",
      msg: "The amounts are too large to calculate with"
    },
    {
      code: 6011,
      name: "missingEd25519Instruction",
      msg: "An ed25519 instruction must come directly before this one"
    },
    {
      code: 6012,
      name: "malformedEd25519Instruction",
      msg: "The ed25519 instruction must hold exactly the expected signatures, each with its own key and message"
    },
    {
      code: 6013,
      name: "signerMismatch",
      msg: "The signature is not by the expected key"
    },
    {
      code: 6014,
      name: "messageMismatch",
      msg: "What was signed is not the expected message"
    },
    {
      code: 6015,
      name: "sameHead",
      msg: "The heads are the same"
    },
    {
      code: 6016,
      name: "pathTooLong",
      msg: "The audit path is too long"
    },
    {
      code: 6017,
      name: "rootMismatch",
      msg: "The step is not under the submitted root at this index"
    },
    {
      code: 6018,
      name: "tokenFollows",
      msg: "The token follows from the seed and the committed candidates: no fraud"
    },
    {
      code: 6019,
      name: "tooManyTokens",
      msg: "More tokens than the job allows"
    },
    {
      code: 6020,
      name: "cooldownActive",
      msg: "The stake is still cooling down"
    },
    {
      code: 6021,
      name: "cancelMismatch",
      msg: "A cancelled answer needs the signed cancel, and only it, for no more tokens than it has"
    },
    {
      code: 6022,
      name: "peerMismatch",
      msg: "The provider's node has another key than the client expects"
    },
    {
      code: 6023,
      name: "invalidSampler",
      msg: "The sampler's settings are out of range"
    },
    {
      code: 6024,
      name: "invalidFinish",
      msg: "The way the answer ended does not fit the number of its tokens"
    },
    {
      code: 6025,
      name: "malformedHead",
      msg: "This is no head of version 1"
    },
    {
      code: 6026,
      name: "headNotFinal",
      msg: "The head is not final"
    },
    {
      code: 6027,
      name: "headsAgree",
      msg: "Both heads can be honest: no equivocation"
    },
    {
      code: 6028,
      name: "jobReplaced",
      msg: "This is another job than the one that was seen under the same id"
    }
  ],
  constants: [
    {
      name: "cancelGrace",
      docs: [
        "Tokens that are paid beyond those of a cancel: what may have been under way when it was sent."
      ],
      type: "u32",
      value: "32"
    },
    {
      name: "confirmWindow",
      docs: [
        "Seconds after the submit in which the client can reject. From then on anyone can release the payment."
      ],
      type: "i64",
      value: "300"
    },
    {
      name: "jobTimeout",
      docs: [
        "Seconds after its creation in which a job can be submitted. From then on it can be refunded."
      ],
      type: "i64",
      value: "600"
    },
    {
      name: "maxPath",
      docs: [
        "Most hashes in an audit path."
      ],
      type: "u8",
      value: "20"
    },
    {
      name: "maxTokens",
      docs: [
        "Most tokens of an answer, so that every step of it can be proved."
      ],
      type: "u32",
      value: "1048576"
    },
    {
      name: "minStake",
      docs: [
        "Lamports that a provider stakes at least to be offered jobs: 0.1 SOL."
      ],
      type: "u64",
      value: "100000000"
    },
    {
      name: "slashMultiple",
      docs: [
        "Stake at risk for a job, as a multiple of its amount."
      ],
      type: "u64",
      value: "10"
    },
    {
      name: "unstakeCooldown",
      docs: [
        "Seconds between asking for stake and getting it. Longer than any window in which it can be slashed."
      ],
      type: "i64",
      value: "3600"
    }
  ]
};
