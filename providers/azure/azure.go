// Package azure reaches OpenAI's models in an Azure resource: OpenAI's formats
// behind Azure's addresses and Azure's two ways to authenticate.
package azure

import (
	"net/url"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/openai"
)

// Provider describes Azure OpenAI. An account gives the resource's address
// (https://<resource>.openai.azure.com); its models map names to deployments.
//
// Without the option api_version the calls go to the v1 API, which has none; with
// it, to the deployments of that version. An account's key is the resource's, or an
// Entra token; without one, and with the options tenant_id and client_id, Entra is
// asked (see Sign).
func Provider() *providers.Provider {
	quirks := providers.Quirks{}
	return &providers.Provider{
		Name: "azure", Title: "Azure OpenAI", Aliases: []string{"azure-openai"},
		EnvKeys: []string{"AZURE_OPENAI_API_KEY"},
		Keyless: true,
		Speaks:  []providers.Egress{openai.ChatEgress(quirks), openai.ResponsesEgress(quirks)},
		Ops:     []providers.Op{providers.OpCompletions, providers.OpEmbeddings, providers.OpModels, providers.OpImages, providers.OpAudio},
		Quirks:  quirks,
		URL:     URL,
		Sign:    newSigner().sign,
	}
}

// URL addresses a call. The base may be the resource's root, as Azure's own SDK
// takes it, or end in /openai or /openai/v1; one that ends in /models is the
// inference endpoint of a Foundry resource, and one that names a deployment is
// taken as it is.
func URL(c *providers.Call) string {
	base, version := strings.TrimRight(c.Base, "/"), c.Option("api_version", "")
	path := providers.DefaultPath(c)
	switch {
	case strings.Contains(base, "/openai/deployments/"), strings.HasSuffix(base, "/models"):
		return base + "/" + path + query(version)
	case version == "":
		return root(base) + "/openai/v1/" + path
	case c.Op == providers.OpModels || c.Dialect == providers.Responses && c.Op == providers.OpChat: // no deployment in the address
		return root(base) + "/openai/" + path + query(version)
	}
	return root(base) + "/openai/deployments/" + url.PathEscape(c.Model) + "/" + path + query(version)
}

// root returns the address of the resource itself.
func root(base string) string {
	return strings.TrimSuffix(strings.TrimSuffix(base, "/v1"), "/openai")
}

func query(version string) string {
	if version == "" {
		return ""
	}
	return "?api-version=" + url.QueryEscape(version)
}
